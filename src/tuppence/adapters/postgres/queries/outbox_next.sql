-- $1 channels; when the next delivery is due, in milliseconds since 1970-01-01, or null
SELECT (extract(epoch FROM min(at)) * 1000)::bigint FROM tuppence.feed_deliveries
WHERE state = 'waiting' AND channel = ANY ($1)
