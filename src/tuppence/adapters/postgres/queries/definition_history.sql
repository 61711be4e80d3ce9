-- $1 rule id
SELECT version, state, author, at, reason FROM tuppence.definitions
WHERE rule_id = $1 ORDER BY version
