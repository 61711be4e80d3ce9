SELECT id, customer_id AS customer, type, name, opened - DATE '1970-01-01' AS opened,
    credit_limit AS "credit limit"
FROM tuppence.accounts
WHERE customer_id IN (SELECT unnest(string_to_array(current_setting('tuppence.wanted'), chr(31))))
