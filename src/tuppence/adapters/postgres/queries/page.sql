-- $1 the customer before the page, $2 the date as of which they must have agreed, $3 how many
SELECT id FROM tuppence.customers
WHERE id > $1 AND tuppence.agreed(id, $2) ORDER BY id LIMIT $3
