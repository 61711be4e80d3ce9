-- $1 a number of nights, null for all: the views of so many last nights, with the items that were
-- opened or acted upon, by customer and view
SELECT v.customer_id, v.id, v.view::text, coalesce(json_agg(e.event -> 'item') FILTER (
    WHERE e.event ->> 'kind' IN ('opened', 'acted')), '[]')::text
FROM tuppence.feed_views AS v
LEFT JOIN tuppence.feed_events AS e ON e.customer_id = v.customer_id AND e.event ->> 'view' = v.id
WHERE $1::integer IS NULL OR (v.view ->> 'night')::integer
    > (SELECT max((view ->> 'night')::integer) - $1 FROM tuppence.feed_views)
GROUP BY v.customer_id, v.id ORDER BY v.customer_id, v.id
