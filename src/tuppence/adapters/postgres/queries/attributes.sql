SELECT declaration::text AS declaration FROM tuppence.attributes ORDER BY place
