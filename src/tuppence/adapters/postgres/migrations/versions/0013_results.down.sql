DROP TABLE tuppence.results;
DROP TABLE tuppence.result_layouts;
