ALTER TABLE tuppence.customers DROP CONSTRAINT customers_identifier;
ALTER TABLE tuppence.accounts DROP CONSTRAINT accounts_identifier;

DROP FUNCTION tuppence.readable;
CREATE FUNCTION tuppence.agreed(customer text, as_of date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM tuppence.consents
        WHERE customer_id = customer AND granted_on <= as_of AND withdrawn_on IS NULL
            AND (expires_on IS NULL OR as_of < expires_on)
    )
$$;
ALTER TABLE tuppence.consents ALTER COLUMN scope DROP DEFAULT;
ALTER TABLE tuppence.consents ALTER COLUMN scope TYPE text USING array_to_string(scope, ', ');
ALTER TABLE tuppence.consents
    ALTER COLUMN scope SET DEFAULT 'accounts, balances, transactions';
