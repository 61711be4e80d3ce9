-- $1 digest of the token
DELETE FROM tuppence.console_sessions WHERE digest = $1
