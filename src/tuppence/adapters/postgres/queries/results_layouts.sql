-- $1 digests of rulesets
SELECT ruleset, layout::text FROM tuppence.result_layouts WHERE ruleset = ANY ($1)
