-- Results of evaluations, for installations that keep them here: all results of a customer in one row. Customers of
-- other databases may be among them, so a row does not refer to the customer; an erasure deletes both.

CREATE TABLE tuppence.result_layouts (
    ruleset text COLLATE "C" PRIMARY KEY CHECK (ruleset <> ''),
    layout json NOT NULL                 -- the rules and the names of their values, in the order of packed results
);

CREATE TABLE tuppence.results (
    customer_id text COLLATE "C" PRIMARY KEY CHECK (customer_id <> ''),
    as_of date NOT NULL,                 -- date of the evaluation that changed the row
    ruleset text COLLATE "C" NOT NULL,   -- of that evaluation
    packed bytea NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON tuppence.results TO tuppence_loader;
GRANT SELECT, INSERT ON tuppence.result_layouts TO tuppence_loader;
GRANT SELECT ON tuppence.results, tuppence.result_layouts TO tuppence_feed;
