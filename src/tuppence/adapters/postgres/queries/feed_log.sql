-- $1 a night, in days since 1970-01-01: the views of it and of later ones, with the items that were opened or acted
-- upon, by customer and view. Events come after their view, whose night may be one ahead where the person is; a further
-- day is for clocks that differ.
SELECT v.customer_id, v.id, v.view::text, coalesce(json_agg(e.event -> 'item') FILTER (
    WHERE e.event ->> 'kind' IN ('opened', 'acted')), '[]')::text
FROM tuppence.feed_views AS v
LEFT JOIN tuppence.feed_events AS e ON e.customer_id = v.customer_id AND e.event ->> 'view' = v.id
    AND e.received >= timestamptz 'epoch' + ($1::integer - 2) * interval '1 day'
WHERE (v.view ->> 'night')::integer >= $1::integer
GROUP BY v.customer_id, v.id ORDER BY v.customer_id, v.id
