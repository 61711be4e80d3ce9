-- Inserts the loaded transactions, or updates those that differ: in the order of the indexes, so that rows which
-- arrive in any other order do not visit their pages at random.
INSERT INTO tuppence.transactions AS kept SELECT * FROM new_transactions ORDER BY customer_id, account_id, id
ON CONFLICT (customer_id, account_id, id) DO UPDATE SET
    booking_date = excluded.booking_date, sequence = excluded.sequence,
    amount = excluded.amount, category = excluded.category, merchant = excluded.merchant,
    type = excluded.type, text = excluded.text, country = excluded.country,
    own_transfer = excluded.own_transfer, balance = excluded.balance,
    category_confidence = excluded.category_confidence,
    merchant_confidence = excluded.merchant_confidence,
    foreign_currency = excluded.foreign_currency, refunded = excluded.refunded
WHERE kept.* IS DISTINCT FROM excluded.*
