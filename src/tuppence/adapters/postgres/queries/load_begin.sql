-- A bulk load copies transactions directly into their table, without its constraints. It is possible
-- if the table is empty and the login owns it.
SELECT NOT EXISTS (SELECT FROM tuppence.transactions)
    AND pg_has_role(relowner, 'USAGE') AS bulk_load
FROM pg_class WHERE oid = 'tuppence.transactions'::regclass
