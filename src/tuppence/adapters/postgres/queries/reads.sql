-- $1 the most rows
SELECT at, issuer, subject, author, customer_id, what, reason FROM tuppence.personal_reads
ORDER BY number DESC LIMIT $1
