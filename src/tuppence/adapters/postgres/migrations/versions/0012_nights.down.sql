DROP INDEX tuppence.feed_views_night;
