-- $1 the first day that is kept
SELECT months, views FROM tuppence.feed_retain($1::date)
