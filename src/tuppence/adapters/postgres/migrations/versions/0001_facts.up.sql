-- Customers, what they agreed to, and their money. Amounts are minor units of the customer's
-- currency. Identifiers compare byte by byte, so that pages and indexes go in one order everywhere.

CREATE SCHEMA tuppence;

CREATE TABLE tuppence.attributes (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9]*( [a-z0-9]+)*$'),
    place integer NOT NULL UNIQUE,       -- order of declaration
    declaration jsonb NOT NULL CHECK (jsonb_typeof(declaration) = 'object')
);
COMMENT ON TABLE tuppence.attributes IS 'Fields of customers beyond the built-in ones.';

CREATE TABLE tuppence.customers (
    id text COLLATE "C" PRIMARY KEY CHECK (id <> '' AND id !~ '[[:cntrl:]]'),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    country text CHECK (country ~ '^[A-Z]{2}$'),
    region text,
    birth_year integer CHECK (birth_year BETWEEN 1850 AND 2200),
    home text,
    household_size integer CHECK (household_size > 0),
    since date,
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object')
);

CREATE TABLE tuppence.connections (
    id text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    provider text NOT NULL CHECK (provider <> ''),
    UNIQUE (customer_id, id)
);
COMMENT ON TABLE tuppence.connections IS 'A customer''s link to a bank, under which facts arrive.';

CREATE TABLE tuppence.consents (
    customer_id text COLLATE "C" NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    granted_on date NOT NULL,
    confirmed_on date CHECK (confirmed_on >= granted_on),
    expires_on date NOT NULL CHECK (expires_on > granted_on),   -- the first day without it
    withdrawn_on date CHECK (withdrawn_on >= granted_on),
    purpose text NOT NULL CHECK (purpose <> ''),
    jurisdiction text NOT NULL CHECK (jurisdiction ~ '^[A-Z]{2}$'),
    PRIMARY KEY (customer_id, connection_id, granted_on),
    FOREIGN KEY (customer_id, connection_id)
        REFERENCES tuppence.connections (customer_id, id) ON DELETE CASCADE
);

CREATE FUNCTION tuppence.agreed(customer text, as_of date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM tuppence.consents
        WHERE customer_id = customer AND granted_on <= as_of AND as_of < expires_on
            AND withdrawn_on IS NULL
    )
$$;
COMMENT ON FUNCTION tuppence.agreed IS
    'Whether a customer may be evaluated as of a date; a withdrawal counts for every date.';

CREATE TABLE tuppence.accounts (
    id text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    customer_id text COLLATE "C" NOT NULL REFERENCES tuppence.customers ON DELETE CASCADE,
    type text NOT NULL CHECK (type <> ''),
    name text,
    opened date,
    credit_limit bigint,
    UNIQUE (customer_id, id)
);

CREATE TABLE tuppence.transactions (
    customer_id text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    booking_date date NOT NULL,
    sequence bigint NOT NULL,            -- order among the transactions of a day
    amount bigint NOT NULL,              -- negative is money out
    category text,
    merchant text,
    type text,
    text text,
    country text,
    own_transfer boolean NOT NULL,
    balance bigint,                      -- the account's after it
    CONSTRAINT transactions_key PRIMARY KEY (customer_id, account_id, id),
    CONSTRAINT transactions_account FOREIGN KEY (customer_id, account_id)
        REFERENCES tuppence.accounts (customer_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE tuppence.transactions IS
    'The key begins with the customer, so that a customer''s rows are one walk along the index.';

CREATE VIEW tuppence.balances AS
SELECT DISTINCT ON (customer_id, account_id) customer_id, account_id, booking_date, balance
FROM tuppence.transactions
WHERE balance IS NOT NULL
ORDER BY customer_id, account_id, booking_date DESC, sequence DESC;
COMMENT ON VIEW tuppence.balances IS 'The last known balance of each account.';

DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['tuppence_reader', 'tuppence_loader', 'tuppence_author'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA tuppence TO tuppence_reader, tuppence_loader, tuppence_author;
GRANT SELECT ON ALL TABLES IN SCHEMA tuppence TO tuppence_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    tuppence.attributes, tuppence.customers, tuppence.connections, tuppence.consents,
    tuppence.accounts, tuppence.transactions TO tuppence_loader;
GRANT SELECT ON tuppence.attributes TO tuppence_author;
