-- $1 the rule, $2 false to restore it, $3 the operator, $4 the reason, $5 milliseconds since 1970-01-01
INSERT INTO tuppence.feed_withdrawals (rule_id, withdrawn, operator, reason, at)
VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0))
