"""Facts in a database, and readers of it, for tests."""

import contextlib
from collections.abc import Iterator

import psycopg
from local.servers import PATIENCE
from starlette.testclient import TestClient
from tests.building import bank, day

from tuppence.adapters.postgres.connection import connect_columns
from tuppence.adapters.postgres.facts import load
from tuppence.adapters.postgres.pool import Pool
from tuppence.facts.consent import PURPOSES
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.services.access import digest
from tuppence.services.sql_relay import RelayLimits, relay_app
from tuppence.usecases.copy_facts import Agreement

AGREED = Agreement(Date(day("2026-01-01")), Date(day("2099-01-01")), "GB")


def put(url: str, *parts: Rows, schema: Schema | None = None) -> None:
    connection = connect_columns(url)
    try:
        load(connection, schema or Schema(), iter(parts), AGREED)
    finally:
        connection.close()


def three_customers() -> list[Rows]:
    rows = [
        {"booking date": day("2026-06-01"), "amount": -100, "balance": 500},
        {"booking date": day("2026-06-02"), "amount": -200, "balance": 300},
        {"booking date": day("2026-06-02"), "amount": -50},
    ]
    return [bank(rows, f"c{n}") for n in range(3)]


DATE = Date(day("2026-06-30"))
TOKEN = {"Authorization": "Bearer secret"}
LIMITS = RelayLimits(queue_limit=8, timeout=1.0)


def reader(url: str) -> str:
    """Return the address of a login that may only read."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'pass' IN ROLE tuppence_reader")
    return f"postgresql://reader:pass@{url.partition('@')[2]}?connect_timeout={PATIENCE:.0f}"


def pool_of(url: str, size: int, query_seconds: float) -> Pool:
    """Return a pool whose clock always shows the day of the requested facts."""
    return Pool(url, size, query_seconds, PURPOSES, lambda: DATE)


@contextlib.contextmanager
def client(pool: Pool, limits: RelayLimits = LIMITS) -> Iterator[TestClient]:
    app = relay_app(pool, {digest("secret"): "tester"}, limits)
    with TestClient(app, headers=TOKEN, raise_server_exceptions=False) as running:
        yield running
