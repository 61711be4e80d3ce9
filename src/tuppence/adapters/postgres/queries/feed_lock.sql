-- $1 the customer; whoever changes what is kept of their feed does so one after another. There is no
-- row where there is no such customer; one who goes meanwhile is missed by the foreign keys.
SELECT pg_advisory_xact_lock(hashtext('tuppence.feed'), hashtext(id)) FROM tuppence.customers WHERE id = $1
