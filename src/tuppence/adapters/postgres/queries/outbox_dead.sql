-- Deliveries that were given up, the newest first; $1 how many, or null for all
SELECT customer_id, id, delivery::text FROM tuppence.feed_deliveries WHERE state = 'dead'
ORDER BY at DESC, id DESC LIMIT $1
