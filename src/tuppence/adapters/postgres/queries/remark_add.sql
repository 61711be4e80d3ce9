-- $1 rule, $2 version, $3 digest, $4 whether it approves, $5 text, $6 issuer, $7 subject, $8 name to show
INSERT INTO tuppence.remarks (rule_id, version, digest, approves, text, issuer, subject, author)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
