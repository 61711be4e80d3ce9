-- $1 name
DELETE FROM tuppence.console_users WHERE name = $1
