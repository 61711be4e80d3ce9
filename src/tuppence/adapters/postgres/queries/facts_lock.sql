-- Loads and erasures of facts take turns, while readers go on. It comes before everything else of its
-- transaction, which then sees what the one before it has done.
LOCK TABLE tuppence.customers IN SHARE ROW EXCLUSIVE MODE
