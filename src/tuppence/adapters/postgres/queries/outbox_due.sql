-- $1 channels, $2 milliseconds since 1970-01-01, $3 how many
SELECT customer_id, id FROM tuppence.feed_deliveries
WHERE state = 'waiting' AND at <= to_timestamp($2::bigint / 1000.0) AND channel = ANY ($1)
ORDER BY at, id LIMIT $3
