-- OFFSET 0 keeps it one walk along the index for each customer, however many are asked for.
SELECT own.id, sequence, booking_date - DATE '1970-01-01' AS "booking date", amount, category,
    category_confidence AS "category confidence", merchant,
    merchant_confidence AS "merchant confidence", type, text, country,
    foreign_currency AS "foreign currency", refunded, own_transfer AS "own transfer",
    account_id AS account, balance
FROM unnest(string_to_array(current_setting('tuppence.wanted'), chr(31))) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT * FROM tuppence.transactions WHERE customer_id = wanted.id OFFSET 0
) AS own
