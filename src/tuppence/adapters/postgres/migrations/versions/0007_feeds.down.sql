-- The role stays, as it belongs to the whole server; what it may do here goes.
REVOKE ALL ON ALL TABLES IN SCHEMA tuppence FROM tuppence_feed;
REVOKE EXECUTE ON FUNCTION tuppence.readable(text, date, date, text[]) FROM tuppence_feed;
REVOKE USAGE ON SCHEMA tuppence FROM tuppence_feed;
DROP TABLE tuppence.feed_views, tuppence.feed_events, tuppence.feed_states,
    tuppence.feed_preferences, tuppence.feed_withdrawals;
DROP FUNCTION tuppence.feed_month(timestamptz);
