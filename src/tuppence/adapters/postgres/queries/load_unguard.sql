ALTER TABLE tuppence.transactions
    DROP CONSTRAINT transactions_account, DROP CONSTRAINT transactions_key
