-- $1 a date
SELECT rule_id, version, document::text AS document FROM tuppence.rules_in_force
WHERE (valid_from IS NULL OR valid_from <= $1) AND (valid_until IS NULL OR valid_until >= $1)
ORDER BY rule_id
