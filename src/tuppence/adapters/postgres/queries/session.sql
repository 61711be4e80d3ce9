-- Queries of facts read few rows, so compiling them would cost more than running them.
SET jit = off;
SET default_transaction_isolation = 'repeatable read';
SET application_name = 'tuppence'
