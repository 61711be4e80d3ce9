-- The parts of stores whose transactions the database has.
SELECT name FROM tuppence.loaded_parts
