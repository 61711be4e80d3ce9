"""Databases for contracts that PostgreSQL has to keep, too, and stores of feeds."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from local.servers import Server
from psycopg import sql
from tests.feed_stores import InDatabase, Kept, person_table
from tests.feeds import asked_of
from tests.integration.conftest import (  # noqa: F401 - fixtures
    database,
    login,
    migrated,
    new_database,
    postgres,
)

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.feeds import DynamoFeeds
from tuppence.adapters.aws.outbox import DynamoOutbox
from tuppence.adapters.aws.person_table import PersonTable, Tools
from tuppence.adapters.embedded.feed_file import FeedFile, FeedRecords
from tuppence.adapters.embedded.outbox_file import OutboxFile
from tuppence.adapters.postgres.feeds import Connections, PostgresFeeds
from tuppence.adapters.postgres.outbox import PostgresOutbox
from tuppence.usecases.delivery_ports import Outbox
from tuppence.usecases.feed_ports import FeedStore


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb"])
def kept(request: pytest.FixtureRequest) -> Kept:
    found: Kept = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Kept]:
    customers = {"ann", "bob"}
    opened: list[FeedFile | OutboxFile] = []

    def open_store() -> FeedStore:
        store = FeedFile(tmp_path, customers.__contains__)
        opened.append(store)
        return store

    def open_outbox() -> Outbox:
        outbox = OutboxFile(tmp_path, customers.__contains__)
        opened.append(outbox)
        return outbox

    records = FeedRecords(tmp_path)

    def rows() -> list[str]:
        names = asked_of(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return [str(row) for (one,) in names for row in asked_of(tmp_path, f"SELECT * FROM {one}")]

    yield Kept(customers.discard, open_store, open_outbox, records, lambda: records, rows)
    for one in opened:
        one.close()


@pytest.fixture
def postgresql(
    database: str,  # noqa: F811 - a fixture
    login: Callable[..., str],  # noqa: F811
) -> Iterator[Kept]:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO tuppence.customers (id, currency) VALUES ('ann', 'GBP'), ('bob', 'GBP')"
        )
    feed, loader = login("feed_login", "feed"), login("loader_login", "loader")
    opened: list[Connections] = []

    def open_store() -> PostgresFeeds:
        opened.append(Connections(feed, 2))
        return PostgresFeeds(opened[-1])

    def open_outbox() -> Outbox:
        opened.append(Connections(feed, 2))
        return PostgresOutbox(opened[-1])

    def rows() -> list[str]:
        with psycopg.connect(database) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'tuppence'"
            ).fetchall()
            return [
                f"{table}: {text}"
                for (table,) in tables
                for (text,) in connection.execute(
                    sql.SQL("SELECT t::text FROM tuppence.{} AS t").format(sql.Identifier(table))
                )
            ]

    data = InDatabase(loader)
    yield Kept(data.erase, open_store, open_outbox, data, open_store, rows)
    for one in opened:
        one.close()


@pytest.fixture
def dynamodb(aws: Server) -> Kept:  # noqa: ARG001 - the emulator
    customers, name = {"ann", "bob"}, person_table()
    names = itertools.count()
    tools = Tools(
        customers.__contains__,
        lambda: int(time.time() * 1_000),
        time.sleep,
        lambda: f"holder{next(names)}",
    )

    def table() -> PersonTable:
        return PersonTable(client("dynamodb"), name, tools)

    def feeds() -> DynamoFeeds:
        return DynamoFeeds(table(), kept_days=100_000)  # the tests are about days of the past

    return Kept(
        customers.discard,
        feeds,
        lambda: DynamoOutbox(table()),
        feeds(),
        feeds,
        lambda: [str(item) for item in client("dynamodb").scan(TableName=name)["Items"]],
    )
