-- $1 the customer, $2 today, $3 purposes, $4 the attribute that says who is vulnerable, or null,
-- $5 the attribute that says where they get mail, or null
SELECT currency, attributes ->> $4::text, attributes ->> $5::text,
    tuppence.readable(id, $2::date, $2::date, $3::text[]) IS NOT NULL
FROM tuppence.customers WHERE id = $1
