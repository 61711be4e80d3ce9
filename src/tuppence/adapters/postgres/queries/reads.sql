-- $1 the most rows, $2 how many newer ones are skipped
SELECT at, issuer, subject, author, customer_id, what, reason FROM tuppence.personal_reads
ORDER BY number DESC LIMIT $1 OFFSET $2
