-- $1 the most rows
SELECT number, ruleset, as_of, engines, issuer, subject, author, at FROM tuppence.publications
ORDER BY number DESC LIMIT $1
