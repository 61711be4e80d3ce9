-- $1 customers: those of them who are not there, because they were erased or never came
SELECT id FROM unnest($1) AS asked (id) WHERE NOT EXISTS (SELECT FROM tuppence.customers AS c WHERE c.id = asked.id)
