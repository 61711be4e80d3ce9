-- $1 granted on, $2 expires on, $3 jurisdiction of customers whose country is not known
-- Records this consent for the loaded customers who have no connection yet.
WITH newcomers AS (
    SELECT id, coalesce(country, $3) AS country FROM new_customers
    WHERE NOT EXISTS (SELECT FROM tuppence.connections WHERE customer_id = new_customers.id)
), connected AS (
    INSERT INTO tuppence.connections (id, customer_id, provider)
    SELECT 'loaded ' || id, id, 'loaded' FROM newcomers RETURNING id, customer_id
)
INSERT INTO tuppence.consents
    (customer_id, connection_id, granted_on, expires_on, purpose, jurisdiction)
SELECT customer_id, connected.id, $1, $2, 'insights', country
FROM connected JOIN newcomers ON newcomers.id = customer_id
