-- $1 the customer, $2 identifiers, $3 views
INSERT INTO tuppence.feed_views (customer_id, id, view)
SELECT $1, id, view::json FROM unnest($2::text[], $3::text[]) AS new (id, view)
ON CONFLICT (customer_id, id) DO NOTHING
