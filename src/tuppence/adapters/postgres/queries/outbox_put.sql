-- $1 the customer, $2 identifiers, $3 channels, $4 states, $5 milliseconds since 1970-01-01, $6 deliveries
INSERT INTO tuppence.feed_deliveries (customer_id, id, channel, state, at, delivery)
SELECT $1, id, channel, state, to_timestamp(at / 1000.0), delivery::json
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) AS new (id, channel, state, at, delivery)
ON CONFLICT (customer_id, id) DO UPDATE
SET state = excluded.state, at = excluded.at, delivery = excluded.delivery
