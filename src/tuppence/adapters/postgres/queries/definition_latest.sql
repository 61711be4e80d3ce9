-- The newest version of each definition, and whether it is in force on a day.
SELECT latest.rule_id, latest.version, latest.state, latest.document::text AS document,
    latest.valid_from, latest.valid_until, latest.editor, latest.author, latest.reason, latest.at,
    force.version AS version_in_force
FROM tuppence.latest_definitions AS latest
LEFT JOIN tuppence.rules_in_force AS force USING (rule_id)
ORDER BY latest.rule_id
