"""Checks the SQL relay over PostgreSQL: limits, restarts, a fail-over."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import httpx2
import psycopg
import pytest
from local.servers import PATIENCE, Server, installations, postgresql, standby
from tests.building import bank, day
from tests.database import DATE, TOKEN, client, pool_of, put, reader
from tests.serving import connect, post, served, status
from tests.waiting import wait_until

from tuppence.adapters.postgres.pool import Pool
from tuppence.bootstrap.database import migrate_database
from tuppence.errors import UserError
from tuppence.services.access import digest
from tuppence.services.sql_relay import RelayLimits, relay_app

FACTS = {"as_of": "2026-06-30", "customers": ["ann"]}


def filled(url: str) -> None:
    migrate_database(url)
    put(url, bank([{"booking date": day("2026-06-01"), "amount": -100}]))


def through(pool: Pool, query: str) -> None:
    """Run the test's own query on a connection of the pool."""
    with pool._pool.lend() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        cursor.fetchall()


@pytest.fixture
def own_server() -> Iterator[tuple[Server, str]]:
    """Yield a PostgreSQL that a test may stop."""
    if not installations():
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    with postgresql() as (server, url):
        filled(url)
        yield server, url


POWERS = {
    "GRANT INSERT ON tuppence.consents TO {0}": "may INSERT tuppence.consents",
    "GRANT UPDATE (purpose) ON tuppence.consents TO {0}": "may UPDATE tuppence.consents",
    "GRANT TRUNCATE ON tuppence.accounts TO {0}": "may TRUNCATE tuppence.accounts",
    "GRANT DELETE ON tuppence.balances TO {0}": "may DELETE tuppence.balances",
    "GRANT TRIGGER ON tuppence.lifecycle TO {0}": "may TRIGGER tuppence.lifecycle",
    "GRANT INSERT ON elsewhere.things TO {0}": "may INSERT elsewhere.things",
    "GRANT USAGE ON SEQUENCE tuppence.audit_log_number_seq TO {0}": "may USAGE tuppence.audit_log",
    "GRANT CREATE ON SCHEMA tuppence TO {0}": "may CREATE in the schema tuppence",
    "GRANT CREATE ON SCHEMA public TO {0}": "may CREATE in the schema public",
    "GRANT USAGE ON SCHEMA elsewhere TO {0}; GRANT EXECUTE ON FUNCTION elsewhere.act() TO {0}": (
        "may call elsewhere.act"
    ),
    "ALTER TABLE elsewhere.things OWNER TO {0}": "owns table elsewhere.things",
    "GRANT tuppence_loader TO {0}": "may DELETE tuppence.accounts",
    "ALTER ROLE {0} NOINHERIT; GRANT tuppence_author TO {0}": "may INSERT tuppence.definitions",
    "GRANT tuppence_publisher TO {0}": "may INSERT tuppence.publications",
    "GRANT pg_write_all_data TO {0}": "belongs to pg_write_all_data",
    "GRANT pg_signal_backend TO {0}": "belongs to pg_signal_backend",
    "ALTER ROLE {0} CREATEROLE": "is allowed to make roles",
    "ALTER ROLE {0} SUPERUSER": "is a superuser",
}


def test_a_login_that_can_do_more_than_read_is_refused(
    database: str, login: Callable[..., str]
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.things (a int);"
            " CREATE FUNCTION elsewhere.act() RETURNS int LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT 1';"
            " REVOKE ALL ON FUNCTION elsewhere.act() FROM PUBLIC"
        )
        for number, (grant, power) in enumerate(POWERS.items()):
            name = f"relay_{number}"
            pool = pool_of(login(name, "reader"), 1, PATIENCE)
            pool.check()
            owner.execute(grant.format(name).encode())
            with pytest.raises(UserError, match="may do more than read") as refused:
                pool.check()
            assert power in refused.value.message, (grant, refused.value.message)
            pool.close()
            owner.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())
            if "OWNER" in grant:
                owner.execute("CREATE TABLE elsewhere.things (a int)")
    pool = pool_of(database, 1, PATIENCE)
    with client(pool) as relay:
        assert relay.get("/readyz").json()["code"] == "relay.privileges"
        assert relay.get("/v1/schema").json()["code"] == "relay.privileges", "nothing is answered"


def test_a_relay_that_starts_before_its_database_becomes_ready_by_itself(
    own_server: tuple[Server, str],
) -> None:
    server, url = own_server
    pool = pool_of(reader(url), 1, PATIENCE)
    server.stop()
    with client(pool) as relay:
        assert relay.get("/healthz").status_code == 200
        for path in ("/readyz", "/v1/schema"):
            answer = relay.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database.unreachable")
        server.start()
        wait_until(lambda: relay.get("/readyz").status_code == 200)
        assert relay.get("/v1/schema").status_code == 200


def test_nothing_can_be_written_through_the_pool(database: str) -> None:
    """Even a login with write permissions gets a read-only session."""
    pool = pool_of(database, 1, PATIENCE)
    with pytest.raises(UserError, match="read-only"):
        through(pool, "CREATE TABLE tuppence.mine (a int)")
    pool.close()


def test_a_request_waits_for_a_connection_and_then_is_refused(database: str) -> None:
    put(database, bank([{"booking date": day("2026-06-01"), "amount": -100}]))
    pool = pool_of(reader(database), 1, PATIENCE)
    busy = pool.facts(["ann"], DATE, None)
    batches = iter(busy)
    next(batches)
    with client(pool) as relay:
        assert relay.get("/healthz").status_code == 200
        refused = relay.get("/v1/schema")
        assert (refused.status_code, refused.json()["code"]) == (503, "service.busy")
        assert refused.headers["retry-after"] == "1"
        figures = relay.get("/metrics").text
        assert "tuppence_sql_relay_connections_in_use 1.0" in figures
        asked = [relay.get, relay.get, relay.get]
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda g=get: statuses.append(g("/v1/schema").status_code))
            for get in asked
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [503] * 3
        assert len(list(batches)) > 1
        assert relay.get("/v1/schema").status_code == 200


def test_a_query_that_takes_too_long_is_cancelled(database: str) -> None:
    pool = pool_of(reader(database), 1, 2.0)
    with pytest.raises(UserError, match="took too long"):
        through(pool, f"SELECT pg_sleep({PATIENCE})")
    assert pool.schema().attributes == ()
    pool.close()


def test_a_caller_who_disconnects_releases_the_connection(database: str) -> None:
    put(database, bank([{"booking date": day("2026-06-01"), "amount": -100}]))
    pool = pool_of(reader(database), 1, PATIENCE)
    rows = pool.facts(["ann"], DATE, None)
    next(iter(rows))
    rows.close()
    assert pool.in_use == 0
    assert pool.page("", DATE, 5) == ["ann"]
    pool.close()


def test_callers_that_disconnect_release_their_connections(database: str) -> None:
    """Ten times as many callers as connections vanish in the middle of a large answer."""
    rows = [{"booking date": day("2026-06-01"), "amount": -n} for n in range(60_000)]
    put(database, bank(rows))
    pool = pool_of(reader(database), 2, PATIENCE)
    app = relay_app(
        pool, {digest("secret"): "tester"}, RelayLimits(queue_limit=64, timeout=PATIENCE)
    )
    asked = post("/v1/facts", FACTS, "Authorization: Bearer secret")
    with served(app) as port:
        for _ in range(20):
            with connect(port) as caller:
                caller.sendall(asked)
                assert status(caller) == 200
        good = [httpx2.post(f"http://127.0.0.1:{port}/v1/facts", json=FACTS, headers=TOKEN)]
        good += [httpx2.get(f"http://127.0.0.1:{port}/v1/schema", headers=TOKEN) for _ in range(4)]
        assert {answer.status_code for answer in good} == {200}
        assert len(good[0].content) > 4_000_000
        wait_until(lambda: pool.in_use == 0)


def test_a_query_is_cancelled_when_its_caller_disconnects(database: str) -> None:
    """The table stays locked and queries may take `PATIENCE`, so only the cancellation ends it."""
    put(database, bank([{"booking date": day("2026-06-01"), "amount": -100}]))
    pool = pool_of(reader(database), 3, PATIENCE)  # of which one caller gets two
    limits = RelayLimits(queue_limit=128, timeout=PATIENCE)
    app = relay_app(pool, {digest("secret"): "tester"}, limits)
    asked = post("/v1/facts", FACTS, "Authorization: Bearer secret")
    with served(app) as port, psycopg.connect(database) as owner:
        owner.execute("LOCK TABLE tuppence.transactions IN ACCESS EXCLUSIVE MODE")
        with contextlib.ExitStack() as stack:
            callers = [stack.enter_context(connect(port)) for _ in range(40)]
            for caller in callers:
                caller.sendall(asked)
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: "requests_waiting 38.0" in httpx2.get(f"{url}/metrics").text)
            assert pool.in_use == 2
            assert httpx2.get(f"{url}/readyz").status_code == 200
        wait_until(lambda: pool.in_use == 0)
        assert httpx2.get(f"{url}/v1/schema", headers=TOKEN).status_code == 200
        owner.rollback()
        assert httpx2.post(f"{url}/v1/facts", json=FACTS, headers=TOKEN).status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/customers?as_of=2026-06-30&limit=000001000999999999", "request.query"),
        ("/v1/customers?as_of=2026-06-30&limit=" + "9" * 5_000, "request.query"),
        ("/v1/customers?as_of=2026-06-30&limit=%C2%B2", "request.query"),
        ("/v1/customers?as_of=2026-06-30&limit=5001", "request.query"),
        ("/v1/customers?as_of=999999999-12-31", "request.date"),
        ("/v1/customers?as_of=-999-12-31", "request.date"),
        ("/v1/customers?as_of=0000-01-01", "request.date"),
        ("/v1/rules?as_of=" + "9" * 5_000 + "-01-01", "request.date"),
        ("/v1/customers?as_of=2026-06-30&after=%00", "identifier.invalid"),
        ("/v1/customers?as_of=2026-06-30&after=" + "x" * 201, "identifier.invalid"),
        ("/v1/customers?as_of=2026-06-30&after=%ff", "request.target"),
    ],
)
def test_a_malformed_query_is_refused(database: str, path: str, code: str) -> None:
    with client(pool_of(reader(database), 1, PATIENCE)) as relay:
        answer = relay.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("date", ["0001-01-01", "1582-10-15", "9999-12-31"])
def test_the_first_and_the_last_dates_are_supported(database: str, date: str) -> None:
    with client(pool_of(reader(database), 1, PATIENCE)) as relay:
        assert relay.get("/v1/customers", params={"as_of": date}).status_code == 200
        assert relay.get("/v1/rules", params={"as_of": date}).status_code == 200
        facts = relay.post("/v1/facts", json={"as_of": date, "customers": ["ann"]})
        assert facts.status_code == 200


def test_the_relay_survives_a_restart_of_the_database(own_server: tuple[Server, str]) -> None:
    server, url = own_server
    pool = pool_of(reader(url), 4, PATIENCE)
    with client(pool) as relay:
        before = relay.post("/v1/facts", json=FACTS)
        assert before.status_code == 200
        server.stop()
        for _ in range(3):
            gone = relay.post("/v1/facts", json=FACTS)
            assert (gone.status_code, gone.json()["code"]) == (503, "database.unreachable")
        assert relay.get("/readyz").status_code == 503
        assert relay.get("/healthz").status_code == 200
        server.start()
        answers = [relay.post("/v1/facts", json=FACTS) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 8
        assert answers[0].content == before.content
        server.kill()
        server.start()  # after a crash it recovers, and nothing is lost
        assert until_good(lambda: relay.post("/v1/facts", json=FACTS)).content == before.content


def until_good(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Return the first good answer; the others may only be temporary refusals."""
    answers: list[httpx2.Response] = []

    def is_good() -> bool:
        answers.append(ask())
        assert answers[-1].status_code in {200, 503}
        return answers[-1].status_code == 200

    wait_until(is_good)
    return answers[-1]


def caught_up(primary: str, second: str) -> None:
    """Wait until a standby has everything that its primary has written."""
    with psycopg.connect(primary) as there, psycopg.connect(second, autocommit=True) as here:
        # A record of its own: after a switch of segments no replay reaches the position.
        there.execute("SELECT pg_logical_emit_message(true, 'caught up', '')")
        there.commit()
        written = there.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        query = "SELECT pg_last_wal_replay_lsn() >= %s"
        wait_until(lambda: here.execute(query, written).fetchone() == (True,))


def test_the_relay_fails_over_to_the_standby(own_server: tuple[Server, str]) -> None:
    """The primary dies, the standby is promoted, and the relay goes on reading from it."""
    primary, url = own_server
    with standby(url) as second:
        both = f"127.0.0.1:{primary.port},127.0.0.1:{second.port}"
        pool = pool_of(reader(url).replace(f"127.0.0.1:{primary.port}", both), 2, PATIENCE)
        with client(pool) as relay:
            before = relay.post("/v1/facts", json=FACTS)
            assert before.status_code == 200
            promoted = url.replace(f":{primary.port}/", f":{second.port}/")
            caught_up(url, promoted)
            primary.kill()
            after = until_good(lambda: relay.post("/v1/facts", json=FACTS))
            assert after.content == before.content
            with psycopg.connect(promoted, autocommit=True) as connection:
                connection.execute("SELECT pg_promote()")
            put(promoted, bank([{"booking date": day("2026-06-02"), "amount": -7}], "bob"))
            page = relay.get("/v1/customers", params={"as_of": "2026-06-30"})
            assert page.json()["customers"] == ["ann", "bob"]
