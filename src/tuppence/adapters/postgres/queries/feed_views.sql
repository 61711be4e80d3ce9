-- $1 the customer, $2 identifiers of views
SELECT id, view::text FROM tuppence.feed_views WHERE customer_id = $1 AND id = ANY ($2)
