-- $1 customers, $2 today, $3 the as-of date, $4 purposes
-- Selects the facts that the queries customers, accounts and transactions return: those that
-- tuppence.readable allows, up to the as-of date. The selection is passed in settings of the
-- transaction, since queries with parameters cannot be copied out.
SELECT set_config('tuppence.wanted', coalesce(jsonb_object_agg(id, words), '{}')::text, true),
    set_config('tuppence.until', $3::date::text, true)
FROM (
    SELECT id, tuppence.readable(id, $2::date, $3::date, $4) AS words
    FROM tuppence.customers WHERE id = ANY ($1)
) AS asked
WHERE words IS NOT NULL
