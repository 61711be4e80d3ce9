-- $1 names of parts of a store
-- Notes that their transactions are loaded.
INSERT INTO tuppence.loaded_parts (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
