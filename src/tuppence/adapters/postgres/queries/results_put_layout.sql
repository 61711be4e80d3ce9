-- $1 digest of a ruleset, $2 the layout of its results
INSERT INTO tuppence.result_layouts (ruleset, layout) VALUES ($1, $2::json) ON CONFLICT DO NOTHING
