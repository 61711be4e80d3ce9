ALTER TABLE tuppence.transactions
    DROP COLUMN category_confidence, DROP COLUMN merchant_confidence,
    DROP COLUMN foreign_currency, DROP COLUMN refunded;

CREATE OR REPLACE FUNCTION tuppence.agreed(customer text, as_of date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM tuppence.consents
        WHERE customer_id = customer AND granted_on <= as_of AND as_of < expires_on
            AND withdrawn_on IS NULL
    )
$$;
UPDATE tuppence.consents SET expires_on = 'infinity' WHERE expires_on IS NULL;
ALTER TABLE tuppence.consents DROP COLUMN scope, ALTER COLUMN expires_on SET NOT NULL;
