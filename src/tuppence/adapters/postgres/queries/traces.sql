-- $1 the customer; counts the rows of each table that name them
SELECT (SELECT count(*) FROM tuppence.customers WHERE id = $1) AS customers,
    (SELECT count(*) FROM tuppence.accounts WHERE customer_id = $1) AS accounts,
    (SELECT count(*) FROM tuppence.transactions WHERE customer_id = $1) AS transactions,
    (SELECT count(*) FROM tuppence.connections WHERE customer_id = $1) AS connections,
    (SELECT count(*) FROM tuppence.consents WHERE customer_id = $1) AS consents,
    (SELECT count(*) FROM tuppence.feed_views WHERE customer_id = $1) AS feed_views,
    (SELECT count(*) FROM tuppence.feed_events WHERE customer_id = $1) AS feed_events,
    (SELECT count(*) FROM tuppence.feed_states WHERE customer_id = $1) AS feed_states,
    (SELECT count(*) FROM tuppence.feed_preferences WHERE customer_id = $1) AS feed_preferences,
    (SELECT count(*) FROM tuppence.feed_deliveries WHERE customer_id = $1) AS feed_deliveries,
    (SELECT count(*) FROM tuppence.personal_reads WHERE customer_id = $1) AS personal_reads,
    (SELECT count(*) FROM tuppence.results WHERE customer_id = $1) AS results
