-- $1 the customer
SELECT id, delivery::text FROM tuppence.feed_deliveries WHERE customer_id = $1
