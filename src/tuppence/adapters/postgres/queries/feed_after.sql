-- $1 the customer before the page, $2 how many
SELECT id FROM tuppence.customers WHERE id > $1 ORDER BY id LIMIT $2
