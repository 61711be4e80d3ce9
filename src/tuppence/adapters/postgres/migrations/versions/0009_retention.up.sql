-- Removes old events and views of feeds. Only the owner of the tables may call it.

CREATE FUNCTION tuppence.feed_retain(before date, OUT months integer, OUT views bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, tuppence, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    old record;
BEGIN
    -- An event of this age may still be sent again, and must then be known.
    IF before > (now() AT TIME ZONE 'UTC')::date - 92 THEN
        RAISE EXCEPTION 'events are kept for at least 92 days'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'feed_retain';
    END IF;
    -- Before the partitions: to drop one locks out whoever reads events or customers, to the end.
    -- Events of a later view were received later, so what is left of views has all its events.
    DELETE FROM tuppence.feed_views WHERE (view ->> 'night')::integer < before - date '1970-01-01';
    GET DIAGNOSTICS views = ROW_COUNT;
    months := 0;
    FOR old IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'tuppence.feed_events'::regclass
            AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= before
        ORDER BY relname
    LOOP
        EXECUTE format('DROP TABLE tuppence.%I', old.relname);
        months := months + 1;
    END LOOP;
END $$;
COMMENT ON FUNCTION tuppence.feed_retain IS
    'Drops the partitions of events of the months before a day, and deletes the views of earlier nights.';
REVOKE ALL ON FUNCTION tuppence.feed_retain(date) FROM PUBLIC;
