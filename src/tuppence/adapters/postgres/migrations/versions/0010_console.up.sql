-- The console of a team: people for trying it, sessions, remarks about versions in review, and who read
-- the data of which customer. The console has a login in tuppence_service and says for whom it acts.

CREATE TABLE tuppence.console_users (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9._-]{0,62}$'),
    shown text NOT NULL CHECK (shown <> '' AND length(shown) <= 100),
    password text NOT NULL CHECK (password LIKE '$argon2id$%'),
    roles text[] NOT NULL CHECK (
        roles <@ ARRAY['author', 'reviewer', 'publisher', 'operator', 'support'] AND roles <> '{}'
    )
);
COMMENT ON TABLE tuppence.console_users IS 'People who sign in with a password; only the owner adds them.';

CREATE TABLE tuppence.console_sessions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    issuer text NOT NULL,
    subject text NOT NULL,
    shown text NOT NULL,
    roles text[] NOT NULL,
    seen bigint NOT NULL,                -- these two in milliseconds since 1970-01-01
    ends bigint NOT NULL
);
COMMENT ON COLUMN tuppence.console_sessions.digest IS 'SHA-256 of the token in the cookie, which is kept nowhere.';
CREATE INDEX console_sessions_ends ON tuppence.console_sessions (ends);
CREATE INDEX console_sessions_person ON tuppence.console_sessions (issuer, subject);

CREATE TABLE tuppence.remarks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL,                -- of the document that was read
    approves boolean NOT NULL,
    text text NOT NULL CHECK (text <> '' AND length(text) <= 4000),
    issuer text NOT NULL,
    subject text NOT NULL,
    author text NOT NULL CHECK (length(author) <= 300),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE tuppence.remarks IS
    'Comments on versions, and approvals of those that need several; an approval is of one version, so it
     is void once there is a newer one.';
CREATE INDEX remarks_rule ON tuppence.remarks (rule_id, version);

CREATE FUNCTION tuppence.next_remark() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
DECLARE
    latest tuppence.definitions%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tuppence.definitions'), hashtext(NEW.rule_id));
    NEW.at := clock_timestamp();
    SELECT issuer, subject INTO STRICT NEW.issuer, NEW.subject
        FROM tuppence.identify(NEW.issuer, NEW.subject, '{tuppence_service}');
    NEW.author := coalesce(nullif(NEW.author, ''), NEW.subject);
    SELECT * INTO latest FROM tuppence.definitions
        WHERE rule_id = NEW.rule_id ORDER BY version DESC LIMIT 1;
    IF NOT NEW.approves THEN
        -- Null without such a version, which the column refuses.
        NEW.digest := (
            SELECT digest FROM tuppence.definitions
            WHERE rule_id = NEW.rule_id AND version = NEW.version
        );
        RETURN NEW;
    END IF;
    IF latest.version IS DISTINCT FROM NEW.version OR latest.digest IS DISTINCT FROM NEW.digest THEN
        RAISE EXCEPTION 'version % is the newest', latest.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_digest';
    END IF;
    IF latest.state <> 'in_review' THEN
        RAISE EXCEPTION 'it is not in review'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_step';
    END IF;
    IF EXISTS (
        SELECT FROM tuppence.editors
        WHERE rule_id = NEW.rule_id AND issuer = NEW.issuer AND subject = NEW.subject
    ) THEN
        RAISE EXCEPTION '% has changed the draft', NEW.subject
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_four_eyes';
    END IF;
    IF EXISTS (
        SELECT FROM tuppence.editors WHERE rule_id = NEW.rule_id AND issuer <> NEW.issuer
    ) THEN
        RAISE EXCEPTION 'whom % names cannot be told apart from whom others name', NEW.issuer
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_issuer';
    END IF;
    IF EXISTS (
        SELECT FROM tuppence.remarks WHERE rule_id = NEW.rule_id AND version = NEW.version
            AND approves AND issuer = NEW.issuer AND subject = NEW.subject
    ) THEN
        RAISE EXCEPTION '% has approved it already', NEW.subject
            USING ERRCODE = 'check_violation', CONSTRAINT = 'remarks_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER next_remark BEFORE INSERT ON tuppence.remarks
    FOR EACH ROW EXECUTE FUNCTION tuppence.next_remark();

CREATE FUNCTION tuppence.note_remark() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    INSERT INTO tuppence.audit_log (issuer, subject, author, action, object, reason)
    VALUES (NEW.issuer, NEW.subject, NEW.author,
        CASE WHEN NEW.approves THEN 'agreed' ELSE 'commented' END,
        NEW.rule_id || ' ' || NEW.version, NEW.text);
    RETURN NULL;
END $$;
CREATE TRIGGER note_remark AFTER INSERT ON tuppence.remarks
    FOR EACH ROW EXECUTE FUNCTION tuppence.note_remark();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuppence.remarks
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();

-- Not in the audit log, which nothing leaves: an erasure removes these rows.
CREATE TABLE tuppence.personal_reads (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    issuer text NOT NULL,
    subject text NOT NULL,
    author text NOT NULL CHECK (length(author) <= 300),
    customer_id text NOT NULL CHECK (length(customer_id) <= 200),
    what text NOT NULL CHECK (length(what) <= 200),
    reason text NOT NULL CHECK (length(reason) <= 1000)
);
COMMENT ON TABLE tuppence.personal_reads IS 'Who saw the data of which customer in the console, and why.';
CREATE INDEX personal_reads_customer ON tuppence.personal_reads (customer_id);

CREATE FUNCTION tuppence.next_read() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    SELECT issuer, subject INTO STRICT NEW.issuer, NEW.subject
        FROM tuppence.identify(NEW.issuer, NEW.subject, '{tuppence_service}');
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER next_read BEFORE INSERT ON tuppence.personal_reads
    FOR EACH ROW EXECUTE FUNCTION tuppence.next_read();

REVOKE ALL ON FUNCTION tuppence.next_remark(), tuppence.note_remark(), tuppence.next_read() FROM PUBLIC;
GRANT SELECT ON tuppence.console_users, tuppence.remarks, tuppence.personal_reads TO tuppence_service;
GRANT SELECT, INSERT, DELETE, UPDATE (seen) ON tuppence.console_sessions TO tuppence_service;
GRANT INSERT (rule_id, version, digest, approves, text, issuer, subject, author)
    ON tuppence.remarks TO tuppence_service;
GRANT INSERT (issuer, subject, author, customer_id, what, reason)
    ON tuppence.personal_reads TO tuppence_service;
GRANT SELECT, DELETE ON tuppence.personal_reads TO tuppence_loader;
