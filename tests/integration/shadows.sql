-- Statements that every role may run in a session of its own, one a line: none changes a decision.
CREATE DOMAIN pg_temp.text AS pg_catalog.varchar(1)
CREATE DOMAIN pg_temp.json AS pg_catalog.varchar(1)
CREATE TEMP TABLE definitions (rule_id pg_catalog.text, version int, state pg_catalog.text)
CREATE TEMP TABLE editors (rule_id pg_catalog.text, issuer pg_catalog.text)
CREATE TEMP TABLE lifecycle (before pg_catalog.text, after pg_catalog.text)
CREATE TEMP TABLE audit_log (number int)
CREATE FUNCTION pg_temp.sha256(pg_catalog.bytea) RETURNS pg_catalog.bytea LANGUAGE sql AS 'SELECT NULL::pg_catalog.bytea'
CREATE FUNCTION pg_temp.pg_has_role(name, pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE sql AS 'SELECT true'
CREATE FUNCTION pg_temp.differ(pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE sql AS 'SELECT false'
CREATE OPERATOR pg_temp.<> (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = pg_temp.differ)
CREATE OPERATOR pg_temp.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = pg_temp.differ)
SET search_path = pg_temp, tuppence, pg_catalog
SET standard_conforming_strings = off
SET transform_null_equals = on
SET DateStyle = 'SQL, DMY'
SET TimeZone = 'Pacific/Kiritimati'
SET bytea_output = 'escape'
SET client_encoding = 'LATIN1'
SET default_transaction_isolation = 'serializable'
