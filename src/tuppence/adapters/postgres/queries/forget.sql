-- $1 the customer: their accounts, transactions, connections and consents go with them
DELETE FROM tuppence.customers WHERE id = $1
