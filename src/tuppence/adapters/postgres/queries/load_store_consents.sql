-- $1 JSON: the consents of the loaded customers in a store of files, with dates as days since 1970
WITH told AS (
    SELECT customer, customer || ' ' || id AS connection, purpose, scope, jurisdiction,
        DATE '1970-01-01' + granted AS granted, DATE '1970-01-01' + confirmed AS confirmed,
        DATE '1970-01-01' + expires AS expires, DATE '1970-01-01' + withdrawn AS withdrawn
    FROM jsonb_to_recordset($1::jsonb) AS told (customer text, id text, purpose text, scope text[],
        jurisdiction text, granted integer, confirmed integer, expires integer, withdrawn integer)
), connected AS (
    INSERT INTO tuppence.connections (id, customer_id, provider)
    SELECT connection, customer, 'store' FROM told ON CONFLICT (id) DO NOTHING
)
INSERT INTO tuppence.consents (customer_id, connection_id, granted_on, confirmed_on, expires_on,
    withdrawn_on, purpose, scope, jurisdiction)
SELECT customer, connection, granted, confirmed, expires, withdrawn, purpose, scope, jurisdiction
FROM told
ON CONFLICT (customer_id, connection_id, granted_on) DO UPDATE SET
    confirmed_on = excluded.confirmed_on, expires_on = excluded.expires_on,
    withdrawn_on = excluded.withdrawn_on, purpose = excluded.purpose, scope = excluded.scope,
    jurisdiction = excluded.jurisdiction
