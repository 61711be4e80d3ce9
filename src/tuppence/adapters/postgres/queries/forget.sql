-- $1 the customer; the deletion cascades to accounts, transactions, connections, consents and feeds
WITH reads AS (DELETE FROM tuppence.personal_reads WHERE customer_id = $1),
    results AS (DELETE FROM tuppence.results WHERE customer_id = $1)
DELETE FROM tuppence.customers WHERE id = $1
