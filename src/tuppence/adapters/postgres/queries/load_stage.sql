-- Attributes come as text: jsonb has a form of its own on the wire.
CREATE TEMP TABLE new_customers (LIKE tuppence.customers) ON COMMIT DROP;
ALTER TABLE new_customers ALTER attributes TYPE text;
CREATE TEMP TABLE new_accounts (LIKE tuppence.accounts) ON COMMIT DROP;
CREATE TEMP TABLE new_transactions (LIKE tuppence.transactions) ON COMMIT DROP
