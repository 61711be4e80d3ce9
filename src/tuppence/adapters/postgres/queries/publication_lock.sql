-- Allows one publication at a time: waits up to a minute for another one. The lock is released when
-- the session ends.
SET lock_timeout = '60s';
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtext('tuppence.publications'))
