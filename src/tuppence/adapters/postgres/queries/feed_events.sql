-- $1 the customer, $2 identifiers of events
SELECT id, event::text FROM tuppence.feed_events WHERE customer_id = $1 AND id = ANY ($2)
