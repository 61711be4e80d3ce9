-- $1 now, $2 the moment before which sessions have been idle for too long, in milliseconds
DELETE FROM tuppence.console_sessions WHERE ends <= $1 OR seen < $2
