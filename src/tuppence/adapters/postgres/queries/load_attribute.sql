-- $1 name, $2 place, $3 declaration
INSERT INTO tuppence.attributes VALUES ($1, $2, $3::jsonb)
