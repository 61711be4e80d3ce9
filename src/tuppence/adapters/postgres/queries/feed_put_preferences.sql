-- $1 the customer, $2 their choices
INSERT INTO tuppence.feed_preferences (customer_id, preferences) VALUES ($1, $2::text::json)
ON CONFLICT (customer_id) DO UPDATE SET preferences = excluded.preferences
