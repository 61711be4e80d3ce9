-- $1 the customer
DELETE FROM tuppence.results WHERE customer_id = $1
