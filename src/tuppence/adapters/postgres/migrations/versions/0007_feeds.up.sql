-- What people were shown in their feeds and did there, their choices, and withdrawn rules. Rows about
-- a customer go with the customer.

CREATE TABLE tuppence.feed_views (
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL CHECK (id <> ''),
    view json NOT NULL,                  -- every candidate of the feed, shown or not
    PRIMARY KEY (customer_id, id)
);

CREATE TABLE tuppence.feed_events (
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL CHECK (id <> ''),   -- of the device
    received timestamptz NOT NULL,
    event json NOT NULL,
    PRIMARY KEY (customer_id, id, received)
) PARTITION BY RANGE (received);
COMMENT ON TABLE tuppence.feed_events IS
    'A partition holds the events of a month, in UTC. The service sees to it that an id of a '
    'customer occurs once, under a lock of the customer.';

CREATE TABLE tuppence.feed_states (
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    rule_id text COLLATE "C" NOT NULL CHECK (rule_id <> ''),
    turn date NOT NULL,                  -- first day of the turn
    state json NOT NULL,                 -- what the events of the item add up to
    PRIMARY KEY (customer_id, rule_id, turn)
);

CREATE TABLE tuppence.feed_preferences (
    customer_id text COLLATE "C" PRIMARY KEY REFERENCES tuppence.customers ON DELETE CASCADE,
    preferences json NOT NULL
);

CREATE TABLE tuppence.feed_withdrawals (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id text COLLATE "C" NOT NULL CHECK (rule_id <> ''),
    withdrawn boolean NOT NULL,          -- false for a restoration
    operator text NOT NULL CHECK (operator <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL,
    login text NOT NULL DEFAULT session_user
);

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON tuppence.feed_events
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuppence.feed_withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();

CREATE FUNCTION tuppence.feed_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    first timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    name text := 'feed_events_' || to_char(first, 'YYYY_MM');
BEGIN
    IF first < '2020-01-01' OR first > '2100-01-01' THEN
        RAISE EXCEPTION 'no event is received at %', moment
            USING ERRCODE = 'check_violation', CONSTRAINT = 'feed_month';
    END IF;
    IF to_regclass('tuppence.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('tuppence.feed_month'), 0);
    -- Attached, since a table that is made as a partition locks out whoever has read the others.
    EXECUTE format('CREATE TABLE tuppence.%I (LIKE tuppence.feed_events INCLUDING ALL)', name);
    EXECUTE format(
        'ALTER TABLE tuppence.feed_events ATTACH PARTITION tuppence.%I FOR VALUES FROM (%L) TO (%L)',
        name, first || '+00', first + interval '1 month' || '+00'
    );
EXCEPTION WHEN duplicate_table THEN
    NULL; -- another process made it while this one waited
END $$;
COMMENT ON FUNCTION tuppence.feed_month IS 'Makes the partition for the month of a moment.';
REVOKE ALL ON FUNCTION tuppence.feed_month(timestamptz) FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tuppence_feed') THEN
        CREATE ROLE tuppence_feed NOLOGIN;
    END IF;
END $$;

GRANT USAGE ON SCHEMA tuppence TO tuppence_feed;
GRANT SELECT ON tuppence.attributes, tuppence.customers, tuppence.connections, tuppence.consents,
    tuppence.accounts, tuppence.transactions TO tuppence_feed;
GRANT EXECUTE ON FUNCTION tuppence.readable(text, date, date, text[]) TO tuppence_feed;
GRANT EXECUTE ON FUNCTION tuppence.feed_month(timestamptz) TO tuppence_feed;
GRANT SELECT, INSERT ON tuppence.feed_views, tuppence.feed_events TO tuppence_feed;
GRANT SELECT, INSERT, UPDATE ON tuppence.feed_states, tuppence.feed_preferences TO tuppence_feed;
GRANT SELECT, INSERT (rule_id, withdrawn, operator, reason, at) ON tuppence.feed_withdrawals
    TO tuppence_feed;
GRANT SELECT ON tuppence.feed_views, tuppence.feed_events, tuppence.feed_states,
    tuppence.feed_preferences TO tuppence_loader;
