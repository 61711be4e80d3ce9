-- Restores the constraints and indexes after a bulk load. To build and check them once for all rows
-- takes a third of the time that it takes row by row.
SET LOCAL maintenance_work_mem = '512MB';
ALTER TABLE tuppence.transactions ADD CONSTRAINT transactions_key
    PRIMARY KEY (customer_id, account_id, id);
ALTER TABLE tuppence.transactions ADD CONSTRAINT transactions_account
    FOREIGN KEY (customer_id, account_id)
    REFERENCES tuppence.accounts (customer_id, id) ON DELETE CASCADE;
CREATE INDEX transactions_covering ON tuppence.transactions (customer_id, account_id, id)
    INCLUDE (booking_date, sequence, amount, category, category_confidence, merchant,
        merchant_confidence, type, text, country, foreign_currency, refunded, own_transfer, balance)
    WHERE octet_length(customer_id || account_id || id || coalesce(category, '')
        || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) < 2000;
CREATE INDEX transactions_long ON tuppence.transactions (customer_id)
    WHERE octet_length(customer_id || account_id || id || coalesce(category, '')
        || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) >= 2000
