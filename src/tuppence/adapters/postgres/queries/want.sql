-- $1 customers, $2 a date: the three queries below are about those of them that had agreed then.
-- Handed over in a setting of the transaction, since queries with parameters cannot be copied out.
SELECT set_config('tuppence.wanted', coalesce(string_agg(id, chr(31)), ''), true)
FROM tuppence.customers WHERE id = ANY ($1) AND tuppence.agreed(id, $2)
