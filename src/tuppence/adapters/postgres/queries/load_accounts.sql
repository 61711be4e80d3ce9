-- Inserts the loaded accounts, or updates those that differ.
INSERT INTO tuppence.accounts AS kept SELECT * FROM new_accounts
ON CONFLICT (id) DO UPDATE SET
    customer_id = excluded.customer_id, type = excluded.type, name = excluded.name,
    opened = excluded.opened, credit_limit = excluded.credit_limit
WHERE kept.* IS DISTINCT FROM excluded.*
