-- $1 the customer, $2 rules, $3 first days of turns since 1970-01-01, $4 states
INSERT INTO tuppence.feed_states (customer_id, rule_id, turn, state)
SELECT $1, rule_id, date '1970-01-01' + turn, state::json
FROM unnest($2::text[], $3::integer[], $4::text[]) AS new (rule_id, turn, state)
ON CONFLICT (customer_id, rule_id, turn) DO UPDATE SET state = excluded.state
