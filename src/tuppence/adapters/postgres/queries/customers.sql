-- Returns the selected customers.
SELECT id, currency, country, region, birth_year::bigint AS "birth year", home,
    household_size::bigint AS "household size", since - DATE '1970-01-01' AS since,
    attributes::text AS attributes
FROM tuppence.customers
WHERE id IN (SELECT jsonb_object_keys(current_setting('tuppence.wanted')::jsonb))
