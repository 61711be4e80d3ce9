-- Makes Aurora call a function on AWS whenever definitions are approved or retired: once for all of a
-- transaction, at its end, without waiting. A failed call undoes nothing. The documentation of aws_lambda is
-- https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/PostgreSQL-Lambda.html
CREATE EXTENSION IF NOT EXISTS aws_lambda CASCADE;

CREATE OR REPLACE FUNCTION tuppence.call_convert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tuppence, pg_temp AS $$
BEGIN
    -- Only the last of the transaction calls; those of a savepoint call for themselves.
    IF EXISTS (
        SELECT FROM tuppence.definitions AS other
        WHERE other.xmin = pg_current_xact_id()::xid AND other.state IN ('approved', 'retired')
            AND (other.rule_id, other.version) > (NEW.rule_id, NEW.version)
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM aws_lambda.invoke(
        TG_ARGV[0],
        json_build_object('scheduled', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
        TG_ARGV[1],
        'Event'
    );
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'the function % could not be called: %', TG_ARGV[0], SQLERRM;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION tuppence.call_convert() FROM PUBLIC;

DROP TRIGGER IF EXISTS call_convert ON tuppence.definitions;
CREATE CONSTRAINT TRIGGER call_convert AFTER INSERT ON tuppence.definitions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state IN ('approved', 'retired'))
    EXECUTE FUNCTION tuppence.call_convert({function}, {region});
