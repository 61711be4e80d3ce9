-- $1 ruleset, $2 as of, $3 engines, $4 name to show, $5 issuer, $6 subject
INSERT INTO tuppence.publications (ruleset, as_of, engines, author, issuer, subject)
VALUES ($1, $2, $3, $4, $5, $6)
