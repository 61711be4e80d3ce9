-- Nights arrive one after another, so a customer's transactions are spread over as many pages of the
-- table as there were nights. This index has all columns, ordered by customer: one walk along a few
-- pages reads them, without the table. An entry of an index has at most 2,704 bytes, so the few
-- transactions with very long texts are in an index of their own, and read from the table.
CREATE INDEX transactions_covering ON tuppence.transactions (customer_id, account_id, id)
    INCLUDE (booking_date, sequence, amount, category, category_confidence, merchant,
        merchant_confidence, type, text, country, foreign_currency, refunded, own_transfer, balance)
    WHERE octet_length(customer_id || account_id || id || coalesce(category, '')
        || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) < 2000;
CREATE INDEX transactions_long ON tuppence.transactions (customer_id)
    WHERE octet_length(customer_id || account_id || id || coalesce(category, '')
        || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) >= 2000;
-- The index alone answers only for pages of the table that a vacuum has seen since they changed. By
-- default a vacuum waits until a fifth of the table is new: for months.
ALTER TABLE tuppence.transactions
    SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);
