-- Whether rows can be copied straight in: there are none yet, and the tables are the login's own.
SELECT NOT EXISTS (SELECT FROM tuppence.transactions)
    AND pg_has_role(relowner, 'USAGE') AS straight
FROM pg_class WHERE oid = 'tuppence.transactions'::regclass
