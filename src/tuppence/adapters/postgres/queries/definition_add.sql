-- $1 rule id, $2 version, $3 state, $4 document, $5 author, $6 reason
INSERT INTO tuppence.definitions (rule_id, version, before, state, document, editor, author, reason)
VALUES ($1, $2, '', $3, $4, '', $5, $6)
