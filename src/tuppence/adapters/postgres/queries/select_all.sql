-- Selects all facts of customers ($1) for the queries customers, accounts and transactions, whatever
-- the consents. This is for people's own right to their data, and for copies that keep the consents
-- beside the facts.
SELECT set_config('tuppence.wanted',
        coalesce(jsonb_object_agg(id, '["balances", "transactions"]'::jsonb), '{}')::text, true),
    set_config('tuppence.until', 'infinity', true)
FROM tuppence.customers WHERE id = ANY ($1)
