-- One publication at a time: waits for the other, for a minute; the session's end gives it back.
SET lock_timeout = '60s';
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('tuppence.publications'))
