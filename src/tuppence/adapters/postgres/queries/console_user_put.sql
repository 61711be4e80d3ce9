-- $1 name, $2 name to show, $3 Argon2 hash, $4 roles
INSERT INTO tuppence.console_users (name, shown, password, roles) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET shown = excluded.shown, password = excluded.password, roles = excluded.roles
