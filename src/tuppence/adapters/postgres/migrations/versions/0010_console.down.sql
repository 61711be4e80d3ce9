DROP TABLE tuppence.personal_reads, tuppence.remarks, tuppence.console_sessions, tuppence.console_users;
DROP FUNCTION tuppence.next_remark(), tuppence.note_remark(), tuppence.next_read();
