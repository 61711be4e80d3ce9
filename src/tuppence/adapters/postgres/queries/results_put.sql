-- Stores incoming results in place of earlier ones that differ, unless those are of a later date. Equal ones are left
-- out beforehand, because a conflict locks the row, which writes it. OFFSET has each customer looked up in the index:
-- of a temporary table nobody knows how few rows it has, and a join would read all results. In order of customers, so
-- that two writers of the same customers wait for each other only once.
INSERT INTO tuppence.results AS kept (customer_id, as_of, ruleset, packed)
SELECT new.customer_id, date '1970-01-01' + new.as_of, new.ruleset, new.packed
FROM pg_temp.new_results AS new LEFT JOIN LATERAL (
    SELECT ruleset, packed FROM tuppence.results WHERE customer_id = new.customer_id OFFSET 0
) AS old ON true
WHERE (old.ruleset, old.packed) IS DISTINCT FROM (new.ruleset, new.packed)
ORDER BY new.customer_id
ON CONFLICT (customer_id) DO UPDATE
SET as_of = excluded.as_of, ruleset = excluded.ruleset, packed = excluded.packed
WHERE kept.as_of <= excluded.as_of
