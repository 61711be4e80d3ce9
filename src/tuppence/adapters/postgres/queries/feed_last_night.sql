-- the last night of which a view is kept, or null
SELECT max((view ->> 'night')::integer) FROM tuppence.feed_views
