-- $1 the customer; one row, also where nothing is kept
SELECT
    (SELECT coalesce(json_agg(json_build_array(json_build_array(rule_id, turn - date '1970-01-01'), state)), '[]')
     FROM tuppence.feed_states WHERE customer_id = $1)::text AS states,
    (SELECT preferences FROM tuppence.feed_preferences WHERE customer_id = $1)::text AS preferences,
    (SELECT coalesce(array_agg(rule_id), '{}') FROM (
        SELECT DISTINCT ON (rule_id) rule_id, withdrawn FROM tuppence.feed_withdrawals
        ORDER BY rule_id, number DESC
    ) AS last WHERE withdrawn) AS withdrawn
