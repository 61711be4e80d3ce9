-- Allows one load or erasure at a time; a load begins before its store is read. The lock is released
-- when the session ends.
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('tuppence.loads'))
