-- Returns the declarations of customer attributes, in their order.
SELECT declaration::text AS declaration FROM tuppence.attributes ORDER BY place
