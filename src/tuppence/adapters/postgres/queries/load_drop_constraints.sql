-- Drops the constraints of transactions, for a bulk load.
ALTER TABLE tuppence.transactions
    DROP CONSTRAINT transactions_account, DROP CONSTRAINT transactions_key
