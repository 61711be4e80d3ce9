-- The defaults are those of the rows that are there, whose categories and merchants nobody doubted:
-- they cost no rewrite of the table. Rows to come say their own.
ALTER TABLE tuppence.transactions
    ADD COLUMN category_confidence smallint DEFAULT 100 CHECK (category_confidence BETWEEN 0 AND 100),
    ADD COLUMN merchant_confidence smallint DEFAULT 100 CHECK (merchant_confidence BETWEEN 0 AND 100),
    ADD COLUMN foreign_currency text CHECK (foreign_currency ~ '^[A-Z]{3}$'),
    ADD COLUMN refunded bigint CHECK (refunded > 0);
ALTER TABLE tuppence.transactions
    ALTER COLUMN category_confidence DROP DEFAULT,
    ALTER COLUMN merchant_confidence DROP DEFAULT,
    ADD CONSTRAINT transactions_category CHECK (category IS NULL OR category_confidence IS NOT NULL);
COMMENT ON COLUMN tuppence.transactions.category_confidence IS 'In hundredths.';
COMMENT ON COLUMN tuppence.transactions.merchant_confidence IS 'In hundredths.';
