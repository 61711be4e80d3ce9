-- $1 digest of the token, $2 now, $3 the moment before which it has been idle for too long, in milliseconds
UPDATE tuppence.console_sessions SET seen = greatest(seen, $2)
WHERE digest = $1 AND seen >= $3 AND ends > $2
RETURNING issuer, subject, shown, roles
