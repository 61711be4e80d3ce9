-- $1 customers: the three queries below are about them, whatever they have agreed to.
SELECT set_config('tuppence.wanted', coalesce(string_agg(id, chr(31)), ''), true)
FROM tuppence.customers WHERE id = ANY ($1)
