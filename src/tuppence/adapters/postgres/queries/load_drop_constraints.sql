-- Drops the constraints and indexes of transactions, for a bulk load.
ALTER TABLE tuppence.transactions
    DROP CONSTRAINT transactions_account, DROP CONSTRAINT transactions_key;
DROP INDEX tuppence.transactions_long;
DROP INDEX tuppence.transactions_covering
