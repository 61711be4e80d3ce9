TRUNCATE new_customers, new_accounts, new_transactions
