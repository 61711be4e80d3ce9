-- Definitions of rules, each change a new version; who published what; the audit log.

CREATE TABLE tuppence.lifecycle (
    before text NOT NULL,
    after text NOT NULL,
    PRIMARY KEY (before, after)
);
COMMENT ON TABLE tuppence.lifecycle IS 'The steps that a definition may take.';
INSERT INTO tuppence.lifecycle (before, after) VALUES
    ('none', 'draft'),
    ('draft', 'draft'), ('draft', 'in_review'), ('draft', 'retired'),
    ('in_review', 'draft'), ('in_review', 'approved'), ('in_review', 'retired'),
    ('approved', 'draft'), ('approved', 'retired'),
    ('retired', 'draft');

CREATE TABLE tuppence.definitions (
    rule_id text COLLATE "C" NOT NULL CHECK (rule_id ~ '^[a-z][a-z0-9_]{0,63}$'),
    version integer NOT NULL CHECK (version > 0),
    before text NOT NULL,                -- the state of the version before this one
    state text NOT NULL,
    document json NOT NULL,              -- as a rule file has it; json keeps the order of values
    valid_from date,                     -- these two are taken from the document
    valid_until date CHECK (valid_until >= valid_from),   -- the last day
    editor text NOT NULL,                -- who last changed the document
    author text NOT NULL CHECK (author <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rule_id, version),
    CONSTRAINT definitions_step FOREIGN KEY (before, state) REFERENCES tuppence.lifecycle,
    CONSTRAINT definitions_four_eyes CHECK (state <> 'approved' OR author <> editor),
    CONSTRAINT definitions_document CHECK (document ->> 'id' = rule_id)
);

CREATE FUNCTION tuppence.next_definition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE latest tuppence.definitions%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tuppence.definitions'), hashtext(NEW.rule_id));
    SELECT * INTO latest FROM tuppence.definitions
        WHERE rule_id = NEW.rule_id ORDER BY version DESC LIMIT 1;
    IF NEW.version <> coalesce(latest.version, 0) + 1 THEN
        RAISE EXCEPTION 'version % follows version %', NEW.version, coalesce(latest.version, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_version';
    END IF;
    NEW.before := coalesce(latest.state, 'none');
    NEW.valid_from := (NEW.document ->> 'valid_from')::date;
    NEW.valid_until := (NEW.document ->> 'valid_until')::date;
    IF NEW.state = 'draft' THEN
        NEW.editor := NEW.author;
    ELSE
        NEW.editor := latest.editor;
        IF NEW.document::text <> latest.document::text THEN
            RAISE EXCEPTION 'only a draft may be changed'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_frozen';
        END IF;
    END IF;
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER next_definition BEFORE INSERT ON tuppence.definitions
    FOR EACH ROW EXECUTE FUNCTION tuppence.next_definition();

CREATE VIEW tuppence.latest_definitions AS
SELECT DISTINCT ON (rule_id) * FROM tuppence.definitions ORDER BY rule_id, version DESC;

CREATE VIEW tuppence.rules_in_force AS
SELECT * FROM (
    SELECT DISTINCT ON (rule_id) * FROM tuppence.definitions
    WHERE state IN ('approved', 'retired') ORDER BY rule_id, version DESC
) AS decided
WHERE state = 'approved';
COMMENT ON VIEW tuppence.rules_in_force IS
    'The last approved version of each rule, unless it was retired since; a newer draft waits.';

CREATE TABLE tuppence.publications (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ruleset text NOT NULL CHECK (ruleset ~ '^[0-9a-f]{16}$'),
    as_of date NOT NULL,
    engines text[] NOT NULL,             -- the addresses that confirmed it
    author text NOT NULL CHECK (author <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE tuppence.audit_log (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    author text NOT NULL,
    login text NOT NULL DEFAULT session_user,
    action text NOT NULL,                -- the new state of a definition, or 'published'
    subject text NOT NULL,               -- rule and version, or the ruleset
    reason text NOT NULL
);

CREATE FUNCTION tuppence.note_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO tuppence.audit_log (author, action, subject, reason)
    VALUES (NEW.author, NEW.state, NEW.rule_id || ' ' || NEW.version, NEW.reason);
    IF NEW.state IN ('approved', 'retired') THEN
        PERFORM pg_notify('tuppence_rules', NEW.rule_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_definition AFTER INSERT ON tuppence.definitions
    FOR EACH ROW EXECUTE FUNCTION tuppence.note_definition();

CREATE FUNCTION tuppence.note_publication() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO tuppence.audit_log (author, action, subject, reason)
    VALUES (NEW.author, 'published', NEW.ruleset, 'as of ' || NEW.as_of);
    RETURN NULL;
END $$;
CREATE TRIGGER note_publication AFTER INSERT ON tuppence.publications
    FOR EACH ROW EXECUTE FUNCTION tuppence.note_publication();

CREATE FUNCTION tuppence.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuppence.definitions
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuppence.publications
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuppence.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION tuppence.append_only();

GRANT SELECT ON tuppence.lifecycle, tuppence.definitions, tuppence.latest_definitions,
    tuppence.rules_in_force, tuppence.publications TO tuppence_reader, tuppence_author;
GRANT INSERT ON tuppence.definitions, tuppence.publications TO tuppence_author;
GRANT SELECT ON tuppence.audit_log TO tuppence_author;
