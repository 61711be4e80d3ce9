DROP INDEX tuppence.feed_views_by_night;
