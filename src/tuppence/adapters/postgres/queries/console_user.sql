-- $1 name
SELECT shown, password, roles FROM tuppence.console_users WHERE name = $1
