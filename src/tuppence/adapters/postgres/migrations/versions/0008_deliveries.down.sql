DROP TABLE tuppence.feed_deliveries;
