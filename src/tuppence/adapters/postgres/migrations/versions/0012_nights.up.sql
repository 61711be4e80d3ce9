-- The views of the last nights are found without reading all: models are fitted from them every night. Removing what is
-- old uses the index, too.

CREATE INDEX feed_views_night ON tuppence.feed_views (((view ->> 'night')::integer));
