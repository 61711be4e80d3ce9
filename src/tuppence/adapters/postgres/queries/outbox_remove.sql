-- $1 the customer, $2 identifiers
DELETE FROM tuppence.feed_deliveries WHERE customer_id = $1 AND id = ANY ($2)
