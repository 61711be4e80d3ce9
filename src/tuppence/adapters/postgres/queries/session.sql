-- Reading facts is short work on few rows: compiling a query costs more than running it.
SET jit = off;
SET default_transaction_isolation = 'repeatable read';
SET application_name = 'tuppence'
