-- Inserts the loaded customers, or updates those that differ.
INSERT INTO tuppence.customers AS kept
SELECT id, currency, country, region, birth_year, home, household_size, since, attributes::jsonb
FROM new_customers
ON CONFLICT (id) DO UPDATE SET
    currency = excluded.currency, country = excluded.country, region = excluded.region,
    birth_year = excluded.birth_year, home = excluded.home,
    household_size = excluded.household_size, since = excluded.since,
    attributes = excluded.attributes
WHERE kept.* IS DISTINCT FROM excluded.*
