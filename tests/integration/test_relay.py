"""The SQL relay over a real PostgreSQL: limits, restarts, a fail-over."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import httpx2
import psycopg
import pytest
from local.servers import PATIENCE, Server, installations, postgresql, standby
from starlette.testclient import TestClient
from tests.building import bank, day
from tests.integration.test_postgres_facts import put

from tuppence.adapters.postgres.migrating import migrate
from tuppence.adapters.postgres.pool import Pool
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.services.access import digest
from tuppence.services.sql_relay import relay_app

DATE = Date(day("2026-06-30"))
FACTS = {"as_of": "2026-06-30", "customers": ["ann"]}
TOKEN = {"Authorization": "Bearer secret"}


def reader(url: str) -> str:
    """The address of a login that may only read."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'pass' IN ROLE tuppence_reader")
    return f"postgresql://reader:pass@{url.partition('@')[2]}?connect_timeout={PATIENCE:.0f}"


def filled(url: str) -> None:
    migrate(url)
    put(url, bank([{"booking date": day("2026-06-01"), "amount": -100}]))


@contextlib.contextmanager
def client(pool: Pool) -> Iterator[TestClient]:
    app = relay_app(pool, {digest("secret"): "tester"})
    with TestClient(app, headers=TOKEN, raise_server_exceptions=False) as running:
        yield running


def through(pool: Pool, query: str) -> None:
    """Run a query of the test's own on a connection of the pool."""
    with pool._connection() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        cursor.fetchall()


@pytest.fixture
def own_server() -> Iterator[tuple[Server, str]]:
    """A PostgreSQL that may be stopped."""
    if not installations():
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    with postgresql() as (server, url):
        filled(url)
        yield server, url


def test_a_login_that_may_write_is_refused(database: str) -> None:
    pool = Pool(database, 1, 1, 1.0, PATIENCE)
    with pytest.raises(UserError, match="may change facts"):
        pool.check()
    with client(pool) as relay:
        assert relay.get("/readyz").json()["code"] == "relay.privileges"


def test_nothing_can_be_written_through_the_pool(database: str) -> None:
    """Even a login with the rights gets a session that refuses."""
    pool = Pool(database, 1, 1, 1.0, PATIENCE)
    with pytest.raises(UserError, match="read-only"):
        through(pool, "CREATE TABLE tuppence.mine (a int)")
    pool.close()


def test_who_finds_all_connections_at_work_waits_and_then_is_sent_away(database: str) -> None:
    put(database, bank([{"booking date": day("2026-06-01"), "amount": -100}]))
    pool = Pool(reader(database), 1, 2, 0.3, PATIENCE)
    busy = pool.facts(["ann"], DATE, None)
    next(busy)
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
        assert len(list(busy)) > 1
        assert relay.get("/v1/schema").status_code == 200


def test_a_query_that_takes_too_long_is_ended(database: str) -> None:
    pool = Pool(reader(database), 1, 1, 1.0, 2.0)
    with pytest.raises(UserError, match="took too long"):
        through(pool, f"SELECT pg_sleep({PATIENCE})")
    assert pool.schema().attributes == ()
    pool.close()


def test_a_caller_who_goes_away_gives_the_connection_back(database: str) -> None:
    put(database, bank([{"booking date": day("2026-06-01"), "amount": -100}]))
    pool = Pool(reader(database), 1, 1, 0.2, PATIENCE)
    rows = pool.facts(["ann"], DATE, None)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert pool.in_use == 0
    assert pool.page("", DATE, 5) == ["ann"]
    pool.close()


def test_it_outlives_a_restart_of_the_database(own_server: tuple[Server, str]) -> None:
    server, url = own_server
    pool = Pool(reader(url), 4, 8, PATIENCE, PATIENCE)
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
    """The first good answer; the others may only say: not now."""
    for _ in waiting():
        answer = ask()
        if answer.status_code == 200:
            return answer
        assert answer.status_code == 503
    raise TimeoutError


def caught_up(primary: str, second: str) -> None:
    """Wait until a standby has all that its primary has written."""
    with psycopg.connect(primary) as there, psycopg.connect(second, autocommit=True) as here:
        written = there.execute("SELECT pg_current_wal_lsn()").fetchone()
        for _ in waiting():
            if here.execute("SELECT pg_last_wal_replay_lsn() >= %s", written).fetchone() == (True,):
                return
    raise TimeoutError


def waiting() -> Iterator[None]:
    """Yield at every turn of a loop that waits, until what takes that long must hang."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        yield
        time.sleep(0.02)


def test_it_goes_over_to_the_standby(own_server: tuple[Server, str]) -> None:
    """The primary dies, the standby is promoted, and the relay reads on from there."""
    primary, url = own_server
    with standby(url) as second:
        both = f"127.0.0.1:{primary.port},127.0.0.1:{second.port}"
        pool = Pool(
            reader(url).replace(f"127.0.0.1:{primary.port}", both), 2, 8, PATIENCE, PATIENCE
        )
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
