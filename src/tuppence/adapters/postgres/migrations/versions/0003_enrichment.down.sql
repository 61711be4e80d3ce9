ALTER TABLE tuppence.transactions
    DROP COLUMN category_confidence, DROP COLUMN merchant_confidence,
    DROP COLUMN foreign_currency, DROP COLUMN refunded;
