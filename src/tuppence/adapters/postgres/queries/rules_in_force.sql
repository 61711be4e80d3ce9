-- $1 a date
-- Returns at least one row: if no rule is in force its columns are null, beside the number of versions. One statement
-- reads both as of one moment. Versions of a definition are numbered from 1 without gaps, and are never removed.
SELECT one.rule_id, one.version, one.document::text AS document, known.versions
FROM (SELECT coalesce(sum(version), 0)::bigint AS versions FROM tuppence.latest_definitions) AS known
LEFT JOIN tuppence.rules_in_force AS one
    ON (one.valid_from IS NULL OR one.valid_from <= $1) AND (one.valid_until IS NULL OR one.valid_until >= $1)
ORDER BY one.rule_id
