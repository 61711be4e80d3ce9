DROP FUNCTION tuppence.feed_retain(date);
