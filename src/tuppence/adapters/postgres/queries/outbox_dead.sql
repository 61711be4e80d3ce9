-- All deliveries that were given up, the oldest first
SELECT customer_id, id, delivery::text FROM tuppence.feed_deliveries WHERE state = 'dead' ORDER BY at, id
