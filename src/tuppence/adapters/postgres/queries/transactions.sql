-- OFFSET 0 keeps the planner at one index scan for each customer, however many there are. The two
-- parts are those of the two indexes: nearly all transactions are read from the first one alone.
WITH wanted AS MATERIALIZED (
    SELECT customer, words, words ? 'transactions' AS of_all, words ? 'balances' AS balance_of_all,
        current_setting('tuppence.until')::date AS until
    FROM jsonb_each(current_setting('tuppence.wanted')::jsonb) AS wanted (customer, words)
)
SELECT own.id, sequence, booking_date - DATE '1970-01-01' AS "booking date", amount, category,
    category_confidence AS "category confidence", merchant,
    merchant_confidence AS "merchant confidence", type, text, country,
    foreign_currency AS "foreign currency", refunded, own_transfer AS "own transfer",
    account_id AS account,
    CASE WHEN balance_of_all OR words ? ('balances:' || account_id) THEN balance END AS balance
FROM wanted
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM tuppence.transactions
        WHERE customer_id = wanted.customer AND booking_date <= wanted.until
            AND octet_length(customer_id || account_id || id || coalesce(category, '')
            || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) < 2000
        UNION ALL
        SELECT * FROM tuppence.transactions
        WHERE customer_id = wanted.customer AND booking_date <= wanted.until
            AND octet_length(customer_id || account_id || id || coalesce(category, '')
            || coalesce(merchant, '') || coalesce(type, '') || coalesce(text, '')) >= 2000
    ) AS parts OFFSET 0
) AS own
WHERE of_all OR words ? ('transactions:' || account_id)
