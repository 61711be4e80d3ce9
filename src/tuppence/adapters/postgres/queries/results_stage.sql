-- Temporary table for incoming results, empty in each transaction.
CREATE TEMP TABLE IF NOT EXISTS new_results (
    customer_id text COLLATE "C", as_of integer, ruleset text COLLATE "C", packed bytea
) ON COMMIT DELETE ROWS
