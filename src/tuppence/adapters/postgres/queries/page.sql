-- $1 the customer before the page, $2 today, $3 the as-of date, $4 purposes, $5 how many
SELECT id FROM tuppence.customers
WHERE id > $1 AND tuppence.readable(id, $2, $3, $4) IS NOT NULL ORDER BY id LIMIT $5
