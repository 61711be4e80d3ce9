-- All views that are kept, with the items that were opened or acted upon, by customer and view
SELECT v.customer_id, v.id, v.view::text, coalesce(json_agg(e.event -> 'item') FILTER (
    WHERE e.event ->> 'kind' IN ('opened', 'acted')), '[]')::text
FROM tuppence.feed_views AS v
LEFT JOIN tuppence.feed_events AS e ON e.customer_id = v.customer_id AND e.event ->> 'view' = v.id
GROUP BY v.customer_id, v.id ORDER BY v.customer_id, v.id
