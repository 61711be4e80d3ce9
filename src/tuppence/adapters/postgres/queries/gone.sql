-- $1 customers; returns those who are not in the database: erased, or never loaded
SELECT id FROM unnest($1) AS asked (id) WHERE NOT EXISTS (SELECT FROM tuppence.customers AS c WHERE c.id = asked.id)
