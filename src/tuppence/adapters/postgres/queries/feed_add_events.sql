-- $1 the customer, $2 identifiers, $3 milliseconds since 1970-01-01 when they were received, $4 events
INSERT INTO tuppence.feed_events (customer_id, id, received, event)
SELECT $1, id, to_timestamp(received / 1000.0), event::json
FROM unnest($2::text[], $3::bigint[], $4::text[]) AS new (id, received, event)
