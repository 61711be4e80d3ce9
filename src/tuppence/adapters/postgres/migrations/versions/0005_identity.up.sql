-- Who somebody is: issuer and subject. A person with a login of the database is ('postgresql', the
-- login). A service that authenticates people itself has a login in tuppence_service and states the
-- issuer and the subject that its identity provider told it. Names are for display and decide nothing.
--
-- Every function pins its search path, with pg_temp last: a path that leaves pg_temp out has it searched
-- first, so that a caller's temporary type or table would stand in for ours. Bodies have no backslashes,
-- casts of dates without a form, nor comparisons that a caller's settings could change.

DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['tuppence_reviewer', 'tuppence_publisher', 'tuppence_service'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
END $$;

-- Steps and who may take them. Changing a document needs tuppence_author, whatever the step.

ALTER TABLE tuppence.lifecycle ADD COLUMN roles text[] NOT NULL DEFAULT '{tuppence_reviewer}';
UPDATE tuppence.lifecycle SET roles = '{tuppence_author}' WHERE after IN ('draft', 'in_review');
UPDATE tuppence.lifecycle SET roles = '{tuppence_author,tuppence_reviewer}'
    WHERE before = 'in_review' AND after = 'draft';
ALTER TABLE tuppence.lifecycle ALTER roles DROP DEFAULT;
COMMENT ON COLUMN tuppence.lifecycle.roles IS 'One of them is needed to take the step.';

-- Columns. What is there already was done by the logins that the audit log has.

ALTER TABLE tuppence.audit_log RENAME COLUMN subject TO object;
ALTER TABLE tuppence.audit_log ADD COLUMN issuer text, ADD COLUMN subject text;
ALTER TABLE tuppence.publications ADD COLUMN issuer text, ADD COLUMN subject text;
DROP VIEW tuppence.latest_definitions, tuppence.rules_in_force;
ALTER TABLE tuppence.definitions
    ADD COLUMN digest text,              -- SHA-256 of the document's text
    ADD COLUMN edited boolean,           -- this version changed the document, or opened a draft
    ADD COLUMN issuer text,
    ADD COLUMN subject text;
COMMENT ON COLUMN tuppence.definitions.author IS 'A name to show; issuer and subject say who it was.';

ALTER TABLE tuppence.definitions DISABLE TRIGGER append_only;
ALTER TABLE tuppence.publications DISABLE TRIGGER append_only;
ALTER TABLE tuppence.audit_log DISABLE TRIGGER append_only;
UPDATE tuppence.audit_log SET issuer = 'postgresql', subject = login;
UPDATE tuppence.publications SET issuer = 'postgresql', subject = author;  -- nobody kept the login
UPDATE tuppence.definitions SET
    digest = encode(sha256(convert_to(document::text, 'UTF8')), 'hex'),
    issuer = 'postgresql',
    subject = coalesce((
        SELECT login FROM tuppence.audit_log
        WHERE object = rule_id || ' ' || version AND action = state ORDER BY number LIMIT 1
    ), author);
UPDATE tuppence.definitions AS one SET edited = state = 'draft' AND (
    before NOT IN ('draft', 'in_review') OR digest IS DISTINCT FROM (
        SELECT digest FROM tuppence.definitions
        WHERE rule_id = one.rule_id AND version = one.version - 1
    )
);
ALTER TABLE tuppence.definitions ENABLE TRIGGER append_only;
ALTER TABLE tuppence.publications ENABLE TRIGGER append_only;
ALTER TABLE tuppence.audit_log ENABLE TRIGGER append_only;

ALTER TABLE tuppence.audit_log ALTER issuer SET NOT NULL, ALTER subject SET NOT NULL;
ALTER TABLE tuppence.publications ALTER issuer SET NOT NULL, ALTER subject SET NOT NULL;
ALTER TABLE tuppence.definitions
    DROP CONSTRAINT definitions_four_eyes,
    DROP CONSTRAINT definitions_document,
    DROP COLUMN editor,
    ALTER digest SET NOT NULL, ALTER edited SET NOT NULL,
    ALTER issuer SET NOT NULL, ALTER subject SET NOT NULL,
    -- A check that gives null lets a row pass: hence coalesce.
    ADD CONSTRAINT definitions_document CHECK (coalesce(document ->> 'id' = rule_id, false)),
    ADD CONSTRAINT definitions_dates CHECK (
        document ->> 'valid_from' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' IS NOT FALSE
        AND document ->> 'valid_until' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' IS NOT FALSE
    ),
    ADD CONSTRAINT definitions_size CHECK (
        octet_length(document::text) <= 1000000 AND length(author) <= 300 AND length(reason) <= 4000
    );

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

CREATE VIEW tuppence.editors AS
SELECT DISTINCT rule_id, issuer, subject FROM tuppence.definitions AS one
WHERE edited AND version > (
    SELECT coalesce(max(version), 0) FROM tuppence.definitions
    WHERE rule_id = one.rule_id AND state = 'approved'
);
COMMENT ON VIEW tuppence.editors IS
    'Everybody who changed a definition since it was last approved; they may not approve it.';

-- Functions.

CREATE FUNCTION tuppence.identify(INOUT issuer text, INOUT subject text, roles text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, tuppence, pg_temp AS $$
DECLARE needed text[] := roles;
BEGIN
    IF issuer IS NULL AND subject IS NULL THEN
        issuer := 'postgresql';
        subject := session_user;
    ELSIF issuer ~ '^https?://[!-~]{1,250}$' AND subject ~ '^[!-~]{1,255}$' THEN
        needed := '{tuppence_service}';  -- the service has looked at what the person may do
    ELSE
        RAISE EXCEPTION 'an identity is the address of an issuer and a subject'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'identity_form';
    END IF;
    IF NOT EXISTS (SELECT FROM unnest(needed) AS role WHERE pg_has_role(session_user, role, 'MEMBER'))
    THEN
        RAISE EXCEPTION 'the login % lacks the role %', session_user, array_to_string(needed, ' or ')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
COMMENT ON FUNCTION tuppence.identify IS
    'Who acts: the login, or the person whom a login in tuppence_service states. Logins without the
     roles are refused.';

CREATE OR REPLACE FUNCTION tuppence.next_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
DECLARE
    latest tuppence.definitions%ROWTYPE;
    stated text := NEW.digest;
    allowed text[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tuppence.definitions'), hashtext(NEW.rule_id));
    SELECT * INTO latest FROM tuppence.definitions
        WHERE rule_id = NEW.rule_id ORDER BY version DESC LIMIT 1;
    IF NEW.version IS DISTINCT FROM coalesce(latest.version, 0) + 1 THEN
        RAISE EXCEPTION 'version % follows version %', NEW.version, coalesce(latest.version, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_version';
    END IF;
    NEW.at := clock_timestamp();
    NEW.before := coalesce(latest.state, 'none');
    NEW.document := coalesce(NEW.document, latest.document);
    NEW.digest := encode(sha256(convert_to(NEW.document::text, 'UTF8')), 'hex');
    NEW.edited := NEW.state = 'draft'
        AND (NEW.before NOT IN ('draft', 'in_review') OR NEW.digest <> latest.digest);
    IF NEW.state <> 'draft' AND NEW.digest IS DISTINCT FROM latest.digest THEN
        RAISE EXCEPTION 'only a draft may be changed'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_frozen';
    END IF;
    IF stated <> NEW.digest OR (stated IS NULL AND NEW.state = 'approved') THEN
        RAISE EXCEPTION 'the document has the digest %', NEW.digest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_digest';
    END IF;
    NEW.valid_from := (NEW.document ->> 'valid_from')::date;
    NEW.valid_until := (NEW.document ->> 'valid_until')::date;
    SELECT CASE WHEN NEW.edited THEN '{tuppence_author}' ELSE roles END INTO allowed
        FROM tuppence.lifecycle WHERE before = NEW.before AND after = NEW.state;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no step leads from % to %', NEW.before, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'definitions_step';
    END IF;
    SELECT issuer, subject INTO STRICT NEW.issuer, NEW.subject
        FROM tuppence.identify(NEW.issuer, NEW.subject, allowed);
    NEW.author := coalesce(nullif(NEW.author, ''), NEW.subject);
    IF NEW.state = 'approved' THEN
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
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION tuppence.note_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    INSERT INTO tuppence.audit_log (issuer, subject, author, action, object, reason)
    VALUES (NEW.issuer, NEW.subject, NEW.author, NEW.state, NEW.rule_id || ' ' || NEW.version,
        NEW.reason);
    IF NEW.state IN ('approved', 'retired') THEN
        PERFORM pg_notify('tuppence_rules', NEW.rule_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tuppence.next_publication() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    SELECT issuer, subject INTO STRICT NEW.issuer, NEW.subject
        FROM tuppence.identify(NEW.issuer, NEW.subject, '{tuppence_publisher}');
    NEW.author := coalesce(nullif(NEW.author, ''), NEW.subject);
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER next_publication BEFORE INSERT ON tuppence.publications
    FOR EACH ROW EXECUTE FUNCTION tuppence.next_publication();

CREATE OR REPLACE FUNCTION tuppence.note_publication() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    INSERT INTO tuppence.audit_log (issuer, subject, author, action, object, reason)
    VALUES (NEW.issuer, NEW.subject, NEW.author, 'published', NEW.ruleset,
        'as of ' || to_char(NEW.as_of, 'YYYY-MM-DD'));
    RETURN NULL;
END $$;

ALTER FUNCTION tuppence.append_only() SET search_path = pg_catalog, tuppence, pg_temp;
ALTER FUNCTION tuppence.readable(text, date, date, text[]) SET search_path = pg_catalog, tuppence, pg_temp;

-- Privileges: nothing for everybody, and of tables only the columns that a caller may say.

REVOKE ALL ON SCHEMA tuppence FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tuppence FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tuppence.readable(text, date, date, text[]) TO tuppence_reader, tuppence_loader;

REVOKE INSERT ON tuppence.definitions, tuppence.publications FROM tuppence_author;
GRANT USAGE ON SCHEMA tuppence TO tuppence_reviewer, tuppence_publisher, tuppence_service;
GRANT SELECT ON tuppence.attributes, tuppence.lifecycle, tuppence.definitions,
    tuppence.latest_definitions, tuppence.rules_in_force, tuppence.editors, tuppence.publications,
    tuppence.audit_log
    TO tuppence_author, tuppence_reviewer, tuppence_publisher, tuppence_service;
GRANT SELECT ON tuppence.latest_definitions, tuppence.rules_in_force, tuppence.editors
    TO tuppence_reader;
GRANT INSERT (rule_id, version, state, document, digest, author, reason) ON tuppence.definitions
    TO tuppence_author, tuppence_reviewer;
GRANT INSERT (rule_id, version, state, document, digest, author, reason, issuer, subject)
    ON tuppence.definitions TO tuppence_service;
GRANT INSERT (ruleset, as_of, engines, author) ON tuppence.publications TO tuppence_publisher;
GRANT INSERT (ruleset, as_of, engines, author, issuer, subject)
    ON tuppence.publications TO tuppence_service;
