-- Temporary tables for incoming rows. Attributes arrive as text, since the binary format of jsonb is
-- different.
CREATE TEMP TABLE new_customers (LIKE tuppence.customers) ON COMMIT DROP;
ALTER TABLE new_customers ALTER attributes TYPE text;
CREATE TEMP TABLE new_accounts (LIKE tuppence.accounts) ON COMMIT DROP;
CREATE TEMP TABLE new_transactions (LIKE tuppence.transactions) ON COMMIT DROP
