-- $1 customers; returns their consents in the form of a store of files
SELECT customer_id AS customer,
    CASE provider WHEN 'store' THEN substr(connection_id, length(customer_id) + 2)
        ELSE connection_id || '/' || granted_on END AS id,
    purpose, scope, jurisdiction, granted_on - DATE '1970-01-01' AS granted,
    confirmed_on - DATE '1970-01-01' AS confirmed, expires_on - DATE '1970-01-01' AS expires,
    withdrawn_on - DATE '1970-01-01' AS withdrawn
FROM tuppence.consents JOIN tuppence.connections USING (customer_id)
WHERE connections.id = connection_id AND customer_id = ANY ($1)
ORDER BY customer_id, connection_id, granted_on
