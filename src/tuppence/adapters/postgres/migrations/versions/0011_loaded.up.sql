-- The parts of stores of files that the database has. A part never changes, and its name follows from its content.

CREATE TABLE tuppence.loaded_parts (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE tuppence.loaded_parts IS
    'Parts of stores whose transactions were loaded; each is entered by the transaction that loads it.';

GRANT SELECT, INSERT ON tuppence.loaded_parts TO tuppence_loader;
