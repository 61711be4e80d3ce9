-- $1 milliseconds since 1970-01-01; makes the partition for events that are received then
SELECT tuppence.feed_month(to_timestamp($1::bigint / 1000.0))
