-- Empties the temporary tables for the next part of a load.
TRUNCATE new_customers, new_accounts, new_transactions
