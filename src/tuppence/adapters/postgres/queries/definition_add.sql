-- $1 rule id, $2 version, $3 state, $4 document, $5 digest, $6 name to show, $7 reason.
-- Without a document, the version keeps the previous one; an approval must state the digest.
INSERT INTO tuppence.definitions (rule_id, version, state, document, digest, author, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
