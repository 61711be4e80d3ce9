-- Lets the next load or erasure begin.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtext('tuppence.loads'))
