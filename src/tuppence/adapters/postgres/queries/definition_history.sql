-- $1 rule id
SELECT version, state, digest, issuer, subject, author, at, reason FROM tuppence.definitions
WHERE rule_id = $1 ORDER BY version
