-- $1 customers
SELECT customer_id, as_of - date '1970-01-01', ruleset, packed FROM tuppence.results WHERE customer_id = ANY ($1)
