-- Lists in words what the session's login may do beyond reading; no rows if it may only read. It
-- includes the privileges of every role that the login belongs to, inherited or not, because the login
-- may become such a role. It excludes system catalogues, temporary tables and what every login may do.
WITH held AS (
    SELECT oid, rolname FROM pg_catalog.pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')
), own AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')
), relations AS (
    SELECT c.oid, c.relkind, c.oid::regclass::text AS name
    FROM pg_catalog.pg_class AS c JOIN own ON own.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), found (what) AS (
    SELECT 'is ' || power
    FROM pg_catalog.pg_roles AS r CROSS JOIN LATERAL (VALUES
        ('a superuser', rolsuper), ('allowed to make roles', rolcreaterole),
        ('allowed to make databases', rolcreatedb), ('allowed to replicate', rolreplication),
        ('above row security', rolbypassrls)
    ) AS powers (power, given)
    WHERE given AND oid IN (SELECT oid FROM held)
    UNION ALL
    SELECT 'belongs to ' || rolname FROM held
    WHERE rolname ~ '^pg_' AND rolname NOT IN (
        'pg_read_all_data', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables',
        'pg_monitor'
    )
    UNION ALL
    SELECT 'owns ' || pg_describe_object(classid, objid, objsubid)
    FROM pg_catalog.pg_shdepend
    WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass
        AND refobjid IN (SELECT oid FROM held)
        AND dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    UNION ALL
    SELECT 'may ' || privilege || ' ' || name FROM relations, held, unnest(ARRAY[
        'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'
    ]) AS privilege
    WHERE relkind <> 'S' AND CASE WHEN privilege IN ('INSERT', 'UPDATE', 'REFERENCES')
        THEN has_any_column_privilege(held.oid, relations.oid, privilege)
        ELSE has_table_privilege(held.oid, relations.oid, privilege) END
    UNION ALL
    SELECT 'may ' || privilege || ' ' || name FROM relations, held, unnest(ARRAY[
        'USAGE', 'UPDATE'
    ]) AS privilege
    WHERE CASE WHEN relkind = 'S'
        THEN has_sequence_privilege(held.oid, relations.oid, privilege) ELSE false END
    UNION ALL
    SELECT 'may CREATE in the schema ' || nspname FROM pg_catalog.pg_namespace AS n, held
    WHERE nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(held.oid, n.oid, 'CREATE')
    UNION ALL
    SELECT 'may CREATE in the database' FROM held
    WHERE has_database_privilege(held.oid, current_database(), 'CREATE')
    UNION ALL
    SELECT 'may call ' || p.oid::regprocedure || ' as its owner'
    FROM pg_catalog.pg_proc AS p JOIN own ON own.oid = pronamespace, held
    WHERE prosecdef AND prorettype <> 'trigger'::regtype
        AND has_function_privilege(held.oid, p.oid, 'EXECUTE')
        AND has_schema_privilege(held.oid, own.oid, 'USAGE')
)
SELECT what FROM found GROUP BY what
ORDER BY what NOT LIKE 'is %', what LIKE 'may %', what LIMIT 5
