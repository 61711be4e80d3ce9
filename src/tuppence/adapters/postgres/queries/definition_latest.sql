-- The newest version of each definition, who may not approve it, and which version is in force.
SELECT latest.rule_id, latest.version, latest.state, latest.document::text AS document,
    latest.valid_from, latest.valid_until, latest.author, latest.issuer, latest.subject,
    ARRAY(
        SELECT subject FROM tuppence.editors WHERE rule_id = latest.rule_id ORDER BY subject
    ) AS editors,
    latest.reason, latest.at, force.version AS version_in_force
FROM tuppence.latest_definitions AS latest
LEFT JOIN tuppence.rules_in_force AS force USING (rule_id)
ORDER BY latest.rule_id
