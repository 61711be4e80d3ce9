-- $1 digest of the token, $2 issuer, $3 subject, $4 name to show, $5 roles, $6 now, $7 end, in milliseconds
INSERT INTO tuppence.console_sessions (digest, issuer, subject, shown, roles, seen, ends)
VALUES ($1, $2, $3, $4, $5, $6, $7)
