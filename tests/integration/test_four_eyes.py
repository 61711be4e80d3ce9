"""Checks four eyes in PostgreSQL: any order of steps, simultaneous approvals, hostile SQL."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.integration.four_eyes import (
    LOGINS,
    Asked,
    Person,
    attempt,
    connected,
    digest,
    machine,
)

Connections = dict[str, psycopg.Connection]
DOCUMENT = '{"id": "fees", "title": "Fees"}'
OTHER = '{"id": "fees", "title": "Other"}'


@pytest.fixture
def people(login: Callable[..., str]) -> Iterator[Connections]:
    with connected(login) as found:
        yield found


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def explore(
    people: Connections,
    owner: psycopg.Connection,
    examples: int,
    steps: int,
    *,
    repeatable: bool = False,
) -> None:
    run_state_machine_as_test(
        machine(people, owner),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=repeatable,
        ),
    )


def test_any_steps_of_any_people_end_as_the_model_says(
    people: Connections, owner: psycopg.Connection
) -> None:
    explore(people, owner, 20, 20, repeatable=True)


@pytest.mark.long
def test_thousands_of_steps_end_as_the_model_says(
    people: Connections, owner: psycopg.Connection
) -> None:
    explore(people, owner, 1_000, 50)
    rows = owner.execute(
        "SELECT state, count(*) FROM tuppence.definitions GROUP BY state ORDER BY state"
    ).fetchall()
    assert all(count > 100 for _, count in rows), rows
    assert len(rows) == 4


def step(people: Connections, who: str, version: int, state: str, document: str | None) -> bool:
    asked = Asked("fees", version, state, document, document and digest(document))
    return attempt(people[who], Person(who), asked)


def in_review(people: Connections) -> None:
    """Send a draft of ann to review."""
    assert step(people, "ann", 1, "draft", DOCUMENT)
    assert step(people, "ann", 2, "in_review", None)


def test_sending_a_rule_back_does_not_change_its_authors(people: Connections) -> None:
    assert step(people, "amy", 1, "draft", DOCUMENT)
    assert step(people, "amy", 2, "in_review", None)
    assert step(people, "bob", 3, "draft", None)
    assert step(people, "amy", 4, "in_review", None)
    assert not step(people, "amy", 5, "approved", DOCUMENT)
    assert step(people, "bob", 5, "approved", DOCUMENT)


def test_nobody_can_restore_a_retired_rule_alone(people: Connections) -> None:
    in_review(people)
    assert step(people, "bob", 3, "approved", DOCUMENT)
    assert step(people, "rae", 4, "retired", None)
    assert step(people, "amy", 5, "draft", None)
    assert step(people, "amy", 6, "in_review", None)
    assert not step(people, "amy", 7, "approved", DOCUMENT)
    assert step(people, "bob", 7, "approved", DOCUMENT)


def test_an_approval_of_what_was_read_before_a_change_is_refused(people: Connections) -> None:
    in_review(people)
    assert step(people, "ann", 3, "draft", OTHER)
    assert step(people, "ann", 4, "in_review", None)
    assert not step(people, "bob", 3, "approved", DOCUMENT)
    assert not step(people, "bob", 5, "approved", DOCUMENT)
    assert not step(people, "bob", 5, "approved", None), "nothing was named as read"
    assert step(people, "bob", 5, "approved", OTHER)


def test_of_simultaneous_approvals_only_one_counts(
    people: Connections, owner: psycopg.Connection
) -> None:
    reviewers = ("amy", "bob", "rae")
    for _ in range(10):
        (latest,) = owner.execute("SELECT coalesce(max(version), 0) FROM tuppence.definitions")
        first = latest[0] + 1
        assert step(people, "ann", first, "draft", DOCUMENT)
        assert step(people, "ann", first + 1, "in_review", None)
        together = threading.Barrier(len(reviewers) + 1)
        outcomes: dict[str, bool] = {}

        def act(who: str, version: int, state: str, document: str, at: threading.Barrier) -> None:
            at.wait()
            outcomes[who] = step(people, who, version, state, document)  # noqa: B023 - joined below

        threads = [
            threading.Thread(target=act, args=(who, first + 2, "approved", DOCUMENT, together))
            for who in reviewers
        ]
        edit = ("ann", first + 2, "draft", OTHER, together)
        threads.append(threading.Thread(target=act, args=edit))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(outcomes.values()) == 1
        states = owner.execute(
            "SELECT version, state FROM tuppence.definitions WHERE version >= %s", [first]
        ).fetchall()
        assert [version for version, _ in states] == [first, first + 1, first + 2]


# -- straight in SQL ------------------------------------------------------------------------------


def test_every_function_pins_its_search_path_and_nobody_else_may_call_it(
    owner: psycopg.Connection,
) -> None:
    pinned = "search_path=pg_catalog, tuppence, pg_temp"
    rows = owner.execute(
        "SELECT proname, proconfig @> ARRAY[%s], has_function_privilege('public', oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'tuppence'::regnamespace",
        [pinned],
    ).fetchall()
    assert len(rows) >= 7
    assert [row for row in rows if row[1:] != (True, False)] == []
    for what in ("pg_rewrite AS r JOIN pg_class AS c ON c.oid = ev_class", "pg_policy AS r"):
        where = "WHERE relnamespace = 'tuppence'::regnamespace AND relkind <> 'v'"
        query = f"SELECT * FROM {what} {where if 'pg_class' in what else ''}"
        assert owner.execute(query.encode()).fetchall() == []  # no rules, and no policies


def test_no_role_may_create_in_the_schema(owner: psycopg.Connection) -> None:
    rows = owner.execute(
        "SELECT rolname FROM pg_roles WHERE rolname ~ '^tuppence_'"
        " AND has_schema_privilege(oid, 'tuppence', 'CREATE')"
    ).fetchall()
    assert rows == []


RELATION = (
    "UPDATE {0} SET {1} = {1}",
    "DELETE FROM {0}",
    "TRUNCATE {0}",
    "MERGE INTO {0} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM {0} RETURNING 1) SELECT count(*) FROM gone",
    "DO $$ BEGIN EXECUTE 'DELETE FROM {0}'; END $$",
    "COPY {0} FROM PROGRAM 'true'",
    "COPY {0} TO '/tmp/stolen'",
    "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "ALTER TABLE {0} ADD COLUMN evil text",
    "ALTER TABLE {0} OWNER TO CURRENT_USER",
    "DROP TABLE {0}",
    "DROP VIEW {0}",
    "LOCK TABLE {0} IN ACCESS EXCLUSIVE MODE",
    "CREATE RULE evil AS ON INSERT TO {0} DO INSTEAD NOTHING",
    "CREATE TRIGGER evil BEFORE INSERT ON {0} EXECUTE FUNCTION tuppence.append_only()",
    "CREATE POLICY evil ON {0}",
    "CREATE INDEX ON {0} ({1})",
    "COMMENT ON COLUMN {0}.{1} IS 'evil'",
)
"""A relation is {0}, and {1} one of its columns."""
FUNCTION = (
    "SELECT {0}",
    "DROP FUNCTION {0}",
    "ALTER FUNCTION {0} RESET ALL",
    "ALTER FUNCTION {0} SECURITY INVOKER",
)
GRANTS = (
    "GRANT ALL ON {0} TO CURRENT_USER",
    "GRANT ALL ON ALL TABLES IN SCHEMA tuppence TO CURRENT_USER",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tuppence TO PUBLIC",
    "GRANT CREATE ON SCHEMA tuppence TO CURRENT_USER",
)
"""Of these the server may say no more than that nothing was granted."""
FACTS = (
    *("attributes", "customers", "connections", "consents", "accounts", "transactions"),
    "personal_reads",  # which go when a customer is forgotten
    "loaded_parts",
    *("results", "result_layouts"),
)
FEEDS = ("feed_states", "feed_preferences", "feed_deliveries")
"""Relations in which the feed service changes rows."""
SESSIONS = ("console_sessions",)
"""Relations in which the console changes rows."""


def lines(name: str) -> list[str]:
    """Return the statements in a file beside this one."""
    text = Path(__file__).with_name(f"{name}.sql").read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("--")]


def hostile(owner: psycopg.Connection) -> list[tuple[str, str]]:
    """Return every statement that nobody may run, each with the relation that it targets."""
    relations = owner.execute(
        "SELECT relname, attname FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid"
        " WHERE relnamespace = 'tuppence'::regnamespace AND relkind IN ('r', 'v', 'p', 'm')"
        " AND attnum = 1 ORDER BY relname"
    ).fetchall()
    functions = owner.execute(
        "SELECT oid::regprocedure::text, proname FROM pg_proc"
        " WHERE pronamespace = 'tuppence'::regnamespace AND prorettype = 'trigger'::regtype"
    ).fetchall()
    found = [
        (text.format(f"tuppence.{name}", column), name)
        for name, column in relations
        for text in RELATION
    ]
    found += [(text.format(signature), name) for signature, name in functions for text in FUNCTION]
    return found + [(text, "") for text in lines("hostile")]


def state_of(owner: psycopg.Connection) -> list[object]:
    """Return everything that hostile statements target: rows, definitions, privileges, roles."""
    queries = [
        f"SELECT * FROM tuppence.{name} ORDER BY 1, 2"
        for name in (
            *("definitions", "audit_log", "publications", "lifecycle", "customers"),
            *("feed_views", "feed_events", "feed_withdrawals", "remarks", "console_users"),
        )
    ] + [
        "SELECT relname, relowner, relacl::text, relhasrules FROM pg_class ORDER BY 1, oid",
        "SELECT proname, proowner, proacl::text, prosrc, proconfig FROM pg_proc ORDER BY 1, oid",
        "SELECT tgname, tgenabled FROM pg_trigger ORDER BY 1, oid",
        "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ 'temp' ORDER BY 1",
        "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles ORDER BY 1",
        "SELECT roleid, member FROM pg_auth_members ORDER BY 1, 2",
    ]
    return [owner.execute(query.encode()).fetchall() for query in queries]


def test_no_hostile_statement_gets_through_as_any_role(
    people: Connections, owner: psycopg.Connection
) -> None:
    in_review(people)
    owner.execute("INSERT INTO tuppence.customers (id, currency) VALUES ('c1', 'GBP')")
    before = state_of(owner)
    statements = hostile(owner)
    assert len(statements) > 330
    for who, connection in people.items():
        let_through = []
        for text, relation in statements:
            if relation in FACTS and "loader" in LOGINS[who]:
                continue  # facts are the loader's own
            if relation in FEEDS and "feed" in LOGINS[who]:
                continue
            if relation in SESSIONS and "service" in LOGINS[who]:
                continue
            try:
                connection.execute(text.encode())
                let_through.append(text)
            except psycopg.Error:
                pass
        assert let_through == [], who
        for text in GRANTS:
            with contextlib.suppress(psycopg.Error):
                connection.execute(text.format("tuppence.definitions").encode())
        assert state_of(owner) == before, who


def test_shadows_and_settings_of_a_session_change_no_decision(
    people: Connections, owner: psycopg.Connection
) -> None:
    assert step(people, "amy", 1, "draft", DOCUMENT)
    assert step(people, "amy", 2, "in_review", None)
    for text in lines("shadows"):
        people["amy"].execute(text.encode())
    assert not step(people, "amy", 3, "approved", DOCUMENT)
    evil = Asked("fees", 3, "approved", OTHER, digest(DOCUMENT))
    assert not attempt(people["amy"], Person("amy"), evil)
    assert not attempt(people["amy"], Person("amy", "https://id.example", "dan"), evil)
    assert step(people, "amy", 3, "draft", OTHER)
    rows = owner.execute(
        "SELECT subject, edited, digest, document::text FROM tuppence.definitions WHERE version = 3"
    ).fetchall()
    assert rows == [("amy", True, digest(OTHER), OTHER)]
    assert step(people, "amy", 4, "in_review", None)
    assert step(people, "bob", 5, "approved", OTHER)


def test_a_service_acts_for_people_and_for_nobody_else(people: Connections) -> None:
    dan, dora = (Person("console", "https://id.example", name) for name in ("dan", "dora"))
    console = people["console"]
    draft = Asked("fees", 1, "draft", DOCUMENT, None)
    assert not attempt(console, Person("console"), draft)
    assert attempt(console, dan, draft)
    assert attempt(console, dan, Asked("fees", 2, "in_review", None, None))
    approval = Asked("fees", 3, "approved", None, digest(DOCUMENT))
    assert not attempt(console, dan, approval)
    assert not attempt(people["bob"], Person("bob"), approval)  # bob may be dan under another name
    assert attempt(console, dora, approval)


def test_the_owner_cannot_rewrite_history_by_mistake(
    people: Connections, owner: psycopg.Connection
) -> None:
    in_review(people)
    for table in ("definitions", "audit_log", "publications"):
        for text in ("UPDATE {} SET reason = reason", "DELETE FROM {}", "TRUNCATE {}"):
            query = text.format(f"tuppence.{table}").replace("reason", "author")
            with pytest.raises(psycopg.errors.CheckViolation, match="only grows"):
                owner.execute(query.encode())
