-- As definition_add, for a person whom a service has authenticated: $8 issuer, $9 subject.
INSERT INTO tuppence.definitions (rule_id, version, state, document, digest, author, reason, issuer, subject)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
