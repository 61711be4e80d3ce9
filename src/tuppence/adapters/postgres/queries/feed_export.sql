-- $1 the customer; one row with all that is kept of their feeds, and who read their data in the
-- console, as JSON
SELECT json_build_object(
    'events', (SELECT coalesce(json_agg(e ORDER BY e.received, e.id), '[]')
        FROM tuppence.feed_events AS e WHERE customer_id = $1),
    'views', (SELECT coalesce(json_agg(v ORDER BY v.id), '[]')
        FROM tuppence.feed_views AS v WHERE customer_id = $1),
    'states', (SELECT coalesce(json_agg(s ORDER BY s.rule_id, s.turn), '[]')
        FROM tuppence.feed_states AS s WHERE customer_id = $1),
    'preferences', (SELECT coalesce(json_agg(p), '[]')
        FROM tuppence.feed_preferences AS p WHERE customer_id = $1),
    'deliveries', (SELECT coalesce(json_agg(d ORDER BY d.id), '[]')
        FROM tuppence.feed_deliveries AS d WHERE customer_id = $1),
    'reads', (SELECT coalesce(json_agg(r ORDER BY r.number), '[]')
        FROM tuppence.personal_reads AS r WHERE customer_id = $1)
)::text AS found
