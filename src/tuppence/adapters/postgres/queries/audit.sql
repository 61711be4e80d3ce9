-- $1 the most rows, $2 how many newer ones are skipped
SELECT at, issuer, subject, author, action, object, reason FROM tuppence.audit_log
ORDER BY number DESC LIMIT $1 OFFSET $2
