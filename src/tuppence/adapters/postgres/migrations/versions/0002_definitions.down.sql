DROP TABLE tuppence.audit_log, tuppence.publications CASCADE;
DROP VIEW tuppence.rules_in_force, tuppence.latest_definitions;
DROP TABLE tuppence.definitions, tuppence.lifecycle CASCADE;
DROP FUNCTION tuppence.next_definition, tuppence.note_definition, tuppence.note_publication,
    tuppence.append_only;
