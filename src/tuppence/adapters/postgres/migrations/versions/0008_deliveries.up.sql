-- Messages to people, and to an app's backend, about what is new in feeds. They go with the customer.

CREATE TABLE tuppence.feed_deliveries (
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL UNIQUE CHECK (id <> ''),
    channel text COLLATE "C" NOT NULL CHECK (channel <> ''),
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    at timestamptz NOT NULL,             -- when it is due, or has ended
    delivery json NOT NULL,
    PRIMARY KEY (customer_id, id)
);
CREATE INDEX feed_deliveries_due ON tuppence.feed_deliveries (at) WHERE state = 'waiting';
CREATE INDEX feed_deliveries_dead ON tuppence.feed_deliveries (at) WHERE state = 'dead';

GRANT SELECT, INSERT, UPDATE, DELETE ON tuppence.feed_deliveries TO tuppence_feed;
GRANT SELECT ON tuppence.feed_deliveries TO tuppence_loader;
