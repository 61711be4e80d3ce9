-- $1 the most rows
SELECT at, issuer, subject, author, action, object, reason FROM tuppence.audit_log
ORDER BY number DESC LIMIT $1
