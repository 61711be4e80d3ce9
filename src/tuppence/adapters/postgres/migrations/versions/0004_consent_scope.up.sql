-- A scope is a list of words, as banks tell them: an account's name may have any character.
ALTER TABLE tuppence.consents
    ALTER COLUMN scope DROP DEFAULT,
    ALTER COLUMN scope TYPE text[] USING string_to_array(scope, ', ');
ALTER TABLE tuppence.consents
    ALTER COLUMN scope SET DEFAULT '{accounts, balances, transactions}';

DROP FUNCTION tuppence.agreed;
CREATE FUNCTION tuppence.readable(customer text, today date, as_of date, purposes text[])
RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT array_agg(DISTINCT word ORDER BY word)
    FROM tuppence.consents CROSS JOIN LATERAL unnest(scope
        || CASE WHEN 'allPsd2' = ANY (scope) THEN '{balances, transactions}'::text[] END
        || CASE WHEN 'ReadBalances' = ANY (scope) THEN '{balances}'::text[] END
        || CASE WHEN scope @> '{ReadTransactionsDetail, ReadTransactionsCredits,
            ReadTransactionsDebits}' THEN '{transactions}'::text[] END
    ) AS word
    WHERE customer_id = customer AND purpose = ANY (purposes) AND withdrawn_on IS NULL
        AND granted_on <= least(today, as_of)
        AND (expires_on IS NULL OR greatest(today, as_of) < expires_on)
        AND split_part(word, ':', 1) IN ('balances', 'transactions')
    HAVING bool_or(split_part(word, ':', 1) = 'transactions')
$$;
COMMENT ON FUNCTION tuppence.readable IS
    'What the consents of a customer let be read, as words of scopes; null where they give no '
    'transactions. It says the same as readable in src/tuppence/facts/consent.py.';

-- The rule of src/tuppence/facts/identifiers.py, for rows to come: rows that are there already stay,
-- so that people can read and erase what an older version took in. A transaction's identifier is
-- checked when it is imported, and not here, where it would make loading slower by a third.
DO $$
DECLARE named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['customers', 'accounts'] LOOP
        EXECUTE format('ALTER TABLE tuppence.%1$I ADD CONSTRAINT %1$s_identifier CHECK (
            length(id) BETWEEN 1 AND 200
            AND id !~ ''[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e''
                ''\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]''
            AND id !~ ''^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]''
            AND id !~ ''[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$''
        ) NOT VALID', named);
    END LOOP;
END $$;
