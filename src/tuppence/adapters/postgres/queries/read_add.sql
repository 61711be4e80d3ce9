-- $1 issuer, $2 subject, $3 name to show, $4 customers, $5 page, $6 reason
INSERT INTO tuppence.personal_reads (issuer, subject, author, customer_id, what, reason)
SELECT $1, $2, $3, customer, $5, $6 FROM unnest($4::text[]) AS asked (customer)
