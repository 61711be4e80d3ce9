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

ALTER TABLE tuppence.consents
    ADD COLUMN scope text NOT NULL DEFAULT 'accounts, balances, transactions',
    ALTER COLUMN expires_on DROP NOT NULL;
UPDATE tuppence.consents SET expires_on = NULL WHERE expires_on = 'infinity';  -- after going back
COMMENT ON COLUMN tuppence.consents.expires_on IS 'The first day without it; null for no end.';

CREATE OR REPLACE FUNCTION tuppence.agreed(customer text, as_of date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM tuppence.consents
        WHERE customer_id = customer AND granted_on <= as_of AND withdrawn_on IS NULL
            AND (expires_on IS NULL OR as_of < expires_on)
    )
$$;
