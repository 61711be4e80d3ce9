-- $1 rule, $2 version
SELECT document::text FROM tuppence.definitions WHERE rule_id = $1 AND version = $2
