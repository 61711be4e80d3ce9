ALTER TABLE tuppence.transactions
    RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold);
DROP INDEX tuppence.transactions_long;
DROP INDEX tuppence.transactions_covering;
