-- Restores the constraints after a bulk load. To build and check them once for all rows takes a third
-- of the time that it takes row by row.
SET LOCAL maintenance_work_mem = '512MB';
ALTER TABLE tuppence.transactions ADD CONSTRAINT transactions_key
    PRIMARY KEY (customer_id, account_id, id);
ALTER TABLE tuppence.transactions ADD CONSTRAINT transactions_account
    FOREIGN KEY (customer_id, account_id)
    REFERENCES tuppence.accounts (customer_id, id) ON DELETE CASCADE
