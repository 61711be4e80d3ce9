-- Statements that no role may run, one a line.
INSERT INTO tuppence.audit_log (issuer, subject, author, action, object, reason) VALUES ('postgresql', 'bob', 'bob', 'approved', 'fees 3', 'forged')
INSERT INTO tuppence.audit_log (issuer, subject, author, login, action, object, reason) VALUES ('postgresql', 'bob', 'bob', 'bob', 'approved', 'fees 3', 'forged')
INSERT INTO tuppence.lifecycle VALUES ('draft', 'approved', '{tuppence_author}')
INSERT INTO tuppence.definitions VALUES ('fees', 3, 'x', 'approved', '{}')
INSERT INTO tuppence.definitions (rule_id, version, state, reason, at) VALUES ('fees', 3, 'draft', 'x', '2000-01-01')
INSERT INTO tuppence.definitions (rule_id, version, state, reason, edited) VALUES ('fees', 3, 'draft', 'x', false)
INSERT INTO tuppence.definitions (rule_id, version, state, reason, before) VALUES ('fees', 3, 'approved', 'x', 'in_review')
INSERT INTO tuppence.definitions (rule_id, version, state, document, reason) VALUES ('evil', 1, 'draft', '[]', 'x')
INSERT INTO tuppence.definitions (rule_id, version, state, document, reason) VALUES ('evil', 1, 'draft', '{"id": "evil", "valid_from": "today"}', 'x')
INSERT INTO tuppence.definitions (rule_id, version, state, reason) VALUES ('fees', 3, 'approved', 'x')
INSERT INTO tuppence.latest_definitions (rule_id, version, state, reason) VALUES ('fees', 3, 'draft', 'x')
INSERT INTO tuppence.rules_in_force (rule_id) VALUES ('fees')
INSERT INTO tuppence.publications (number, ruleset, as_of, engines) OVERRIDING SYSTEM VALUE VALUES (99, '0123456789abcdef', '2026-01-01', '{}')
INSERT INTO tuppence.publications (ruleset, as_of, engines, issuer, subject) VALUES ('0123456789abcdef', '2026-01-01', '{}', 'postgresql', 'bob')
SELECT setval('tuppence.audit_log_number_seq', 1)
SELECT nextval('tuppence.publications_number_seq')
SET session_replication_role = 'replica'
SET SESSION AUTHORIZATION owner
SET ROLE owner
SET ROLE pg_write_all_data
GRANT tuppence_reviewer TO CURRENT_USER
ALTER ROLE CURRENT_USER SUPERUSER
CREATE ROLE evil
ALTER SYSTEM SET row_security = off
ALTER DATABASE postgres SET search_path = public
CREATE SCHEMA evil
CREATE EXTENSION dblink
CREATE TABLE tuppence.evil (a int)
CREATE TABLE public.evil (a int)
CREATE VIEW tuppence.evil AS SELECT 1
CREATE TYPE tuppence.text AS ENUM ('evil')
CREATE DOMAIN public.text AS varchar(1)
CREATE FUNCTION public.sha256(text) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'
CREATE FUNCTION pg_catalog.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OPERATOR tuppence.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)
CREATE OR REPLACE FUNCTION tuppence.agreed(customer text, as_of date) RETURNS boolean LANGUAGE sql AS 'SELECT true'
CREATE OR REPLACE FUNCTION tuppence.identify(INOUT issuer text, INOUT subject text, roles text[]) LANGUAGE sql AS 'SELECT issuer, subject'
SELECT * FROM tuppence.identify('https://id.example', 'dan', '{}')
ALTER SCHEMA tuppence RENAME TO mine
DROP SCHEMA tuppence CASCADE
DROP OWNED BY owner CASCADE
REASSIGN OWNED BY owner TO CURRENT_USER
SELECT pg_read_file('/etc/passwd')
SELECT lo_export(1, '/tmp/stolen')
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'owner'
DO $$ BEGIN SET LOCAL ROLE owner; DELETE FROM tuppence.definitions; END $$
DO LANGUAGE c $$ $$
