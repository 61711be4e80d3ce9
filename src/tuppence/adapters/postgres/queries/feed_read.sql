-- $1 customers, $2 today, $3 purposes, $4 the attribute that says who is vulnerable, or null,
-- $5 the attribute that says where they get mail, or null; a row for each customer that there is
SELECT
    c.id,
    c.currency,
    c.attributes ->> $4::text,
    c.attributes ->> $5::text,
    tuppence.readable(c.id, $2::date, $2::date, $3::text[]) IS NOT NULL,
    (SELECT coalesce(json_agg(json_build_array(json_build_array(rule_id, turn - date '1970-01-01'), state)), '[]')
     FROM tuppence.feed_states WHERE customer_id = c.id)::text AS states,
    (SELECT preferences FROM tuppence.feed_preferences WHERE customer_id = c.id)::text AS preferences,
    (SELECT coalesce(array_agg(rule_id), '{}') FROM (
        SELECT DISTINCT ON (rule_id) rule_id, withdrawn FROM tuppence.feed_withdrawals
        ORDER BY rule_id, number DESC
    ) AS last WHERE withdrawn) AS withdrawn
FROM tuppence.customers AS c WHERE c.id = ANY ($1)
