-- Returns the accounts of the selected customers whose transactions may be read. Credit limits need
-- consent to balances.
SELECT id, customer_id AS customer, type, name, opened - DATE '1970-01-01' AS opened,
    CASE WHEN words ?| ARRAY['balances', 'balances:' || id] THEN credit_limit END AS "credit limit"
FROM jsonb_each(current_setting('tuppence.wanted')::jsonb) AS wanted (customer, words)
JOIN tuppence.accounts ON customer_id = wanted.customer
WHERE words ?| ARRAY['transactions', 'transactions:' || id]
