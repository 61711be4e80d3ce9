-- All withdrawals and restorations, oldest first
SELECT rule_id, withdrawn, operator, reason, (extract(epoch FROM at) * 1000)::bigint
FROM tuppence.feed_withdrawals ORDER BY number
