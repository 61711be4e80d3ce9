-- $1 rule
SELECT version, digest, approves, text, issuer, subject, author, at FROM tuppence.remarks
WHERE rule_id = $1 ORDER BY number
