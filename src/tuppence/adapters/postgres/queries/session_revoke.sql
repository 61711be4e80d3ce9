-- $1 issuer, $2 subject
DELETE FROM tuppence.console_sessions WHERE issuer = $1 AND subject = $2
