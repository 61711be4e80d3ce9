-- $1 the customer; a row if there is one
SELECT id FROM tuppence.customers WHERE id = $1
