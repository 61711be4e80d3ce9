-- $1 identifier of a delivery
SELECT customer_id, channel FROM tuppence.feed_deliveries WHERE id = $1
