DROP TABLE tuppence.loaded_parts;
