-- The views of the last nights are read from an index, as a model learns from these alone.

CREATE INDEX feed_views_by_night ON tuppence.feed_views (((view ->> 'night')::integer));
