-- The roles stay, as they belong to the whole server; what they may do here goes.
REVOKE ALL ON ALL TABLES IN SCHEMA tuppence
    FROM tuppence_author, tuppence_reviewer, tuppence_publisher, tuppence_service;
REVOKE ALL ON SCHEMA tuppence FROM tuppence_reviewer, tuppence_publisher, tuppence_service;
REVOKE ALL ON FUNCTION tuppence.readable(text, date, date, text[]) FROM tuppence_reader, tuppence_loader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tuppence TO PUBLIC;
ALTER FUNCTION tuppence.readable(text, date, date, text[]) SET search_path = pg_catalog;
ALTER FUNCTION tuppence.append_only() RESET search_path;

DROP VIEW tuppence.editors, tuppence.latest_definitions, tuppence.rules_in_force;
DROP TRIGGER next_publication ON tuppence.publications;
DROP FUNCTION tuppence.next_publication, tuppence.identify;

ALTER TABLE tuppence.definitions ADD COLUMN editor text;
ALTER TABLE tuppence.definitions DISABLE TRIGGER append_only;
UPDATE tuppence.definitions AS one SET editor = (
    SELECT author FROM tuppence.definitions
    WHERE rule_id = one.rule_id AND version <= one.version AND edited
    ORDER BY version DESC LIMIT 1
);
ALTER TABLE tuppence.definitions ENABLE TRIGGER append_only;
ALTER TABLE tuppence.definitions
    ALTER editor SET NOT NULL,
    DROP CONSTRAINT definitions_document, DROP CONSTRAINT definitions_dates,
    DROP CONSTRAINT definitions_size,
    ADD CONSTRAINT definitions_document CHECK (document ->> 'id' = rule_id),
    -- Names that are shown may be the same where identities were not.
    ADD CONSTRAINT definitions_four_eyes CHECK (state <> 'approved' OR author <> editor) NOT VALID,
    DROP COLUMN digest, DROP COLUMN edited, DROP COLUMN issuer, DROP COLUMN subject;
ALTER TABLE tuppence.publications DROP COLUMN issuer, DROP COLUMN subject;
ALTER TABLE tuppence.audit_log DROP COLUMN issuer, DROP COLUMN subject;
ALTER TABLE tuppence.audit_log RENAME COLUMN object TO subject;
ALTER TABLE tuppence.lifecycle DROP COLUMN roles;

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

CREATE OR REPLACE FUNCTION tuppence.next_definition() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
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

CREATE OR REPLACE FUNCTION tuppence.note_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO tuppence.audit_log (author, action, subject, reason)
    VALUES (NEW.author, NEW.state, NEW.rule_id || ' ' || NEW.version, NEW.reason);
    IF NEW.state IN ('approved', 'retired') THEN
        PERFORM pg_notify('tuppence_rules', NEW.rule_id);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tuppence.note_publication() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO tuppence.audit_log (author, action, subject, reason)
    VALUES (NEW.author, 'published', NEW.ruleset, 'as of ' || NEW.as_of);
    RETURN NULL;
END $$;

GRANT SELECT ON tuppence.attributes TO tuppence_author;
GRANT SELECT ON tuppence.lifecycle, tuppence.definitions, tuppence.latest_definitions,
    tuppence.rules_in_force, tuppence.publications TO tuppence_reader, tuppence_author;
GRANT INSERT ON tuppence.definitions, tuppence.publications TO tuppence_author;
GRANT SELECT ON tuppence.audit_log TO tuppence_author;
