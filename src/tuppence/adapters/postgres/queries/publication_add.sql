-- $1 ruleset, $2 as of, $3 engines, $4 name to show
INSERT INTO tuppence.publications (ruleset, as_of, engines, author)
VALUES ($1, $2, $3, $4)
