-- $1 the customer; the deletion cascades to accounts, transactions, connections and consents
DELETE FROM tuppence.customers WHERE id = $1
