-- Checks that the connection is alive.
SELECT 1
