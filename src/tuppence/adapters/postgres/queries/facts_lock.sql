-- Makes loads and erasures of facts wait for each other, but not readers. It must be the first
-- statement of a transaction, which then sees the changes of the previous one.
LOCK TABLE tuppence.customers IN SHARE ROW EXCLUSIVE MODE
