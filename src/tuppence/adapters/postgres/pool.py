"""A bounded pool of read-only connections that outlives restarts of the database."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import pyarrow as pa
import sqlalchemy.event
import sqlalchemy.exc
from adbc_driver_postgresql import dbapi
from sqlalchemy.pool import QueuePool

from tuppence.adapters.postgres.connection import (
    connect_columns,
    database_errors,
    execute,
    unreachable,
)
from tuppence.adapters.postgres.facts import TABLES, gone, page, read_schema, tables
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

FRESH_SECONDS: Final = 1.0
"""A connection that was used less long ago is taken without asking whether it is alive."""


class Pool:
    """Reads from PostgreSQL, with so many connections at most. Implements the relay's Reader.

    Args:
        url: Of the database; several hosts may be named, for a fail-over.
        size: Connections at most.
        waiting: Requests at most that wait for one; further ones are turned away at once.
        patience: Seconds that they wait.
        query_seconds: How long a query may take.
    """

    def __init__(
        self, url: str, size: int, waiting: int, patience: float, query_seconds: float
    ) -> None:
        self.size = size
        self._most_waiting = waiting
        self._waiting = 0
        self._lock = threading.Lock()
        limited = _read_only(url, query_seconds)
        self._pool = QueuePool(
            lambda: connect_columns(limited),
            pool_size=size,
            max_overflow=0,
            timeout=patience,
            reset_on_return="rollback",
        )
        sqlalchemy.event.listen(self._pool, "checkout", _see_that_it_lives)
        sqlalchemy.event.listen(self._pool, "checkin", _note_time)

    @property
    def in_use(self) -> int:
        """Connections that are at work."""
        return self._pool.checkedout()

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return self._waiting

    def schema(self) -> Schema:
        """The schema of the facts."""
        with self._connection() as connection:
            return read_schema(connection)

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        """Customers who have agreed to be evaluated as of a date, after one."""
        with self._connection() as connection:
            return page(connection, after, as_of, limit)

    def gone(self, customers: Sequence[str]) -> list[str]:
        """Those of some customers who are not in the database."""
        with self._connection() as connection:
            return gone(connection, customers)

    def facts(
        self, customers: Sequence[str], as_of: Date, fields: Sequence[str] | None
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of those customers who have agreed, as they were at one moment.

        Each table begins with a batch without rows, so that its columns are always told.
        """
        with self._connection() as connection:
            found = tables(connection, customers, as_of, fields)
            for table, reader in zip(TABLES, found, strict=True):
                yield table, pa.RecordBatch.from_pylist([], reader.schema)
                for batch in reader:
                    yield table, batch

    def rules_in_force(self, as_of: Date) -> list[dict[str, Any]]:
        """The approved definitions that are valid on a date."""
        with self._connection() as connection:
            found = execute(connection, "rules_in_force", as_of)
            return found.to_pylist() if found else []

    def check(self) -> None:
        """See that the database answers, and that the login may only read.

        Raises:
            UserError: It does not, or may write.
        """
        with self._connection() as connection:
            found = execute(connection, "powers")
            powers = found.column("what").to_pylist() if found else []
            if powers:
                message = f"the login of the relay may do more than read: it {', '.join(powers)}"
                hint = "tuppence database login relay --role reader makes one that may only read"
                raise UserError("relay.privileges", message, hint)

    def close(self) -> None:
        """Let go of all connections that are not at work."""
        self._pool.dispose()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[dbapi.Connection]:
        lent = self._lend()
        try:
            with database_errors():
                yield lent.dbapi_connection
        except UserError as error:
            if error.code == "database.unreachable":
                lent.invalidate()
            raise
        finally:
            lent.close()

    def _lend(self) -> Any:
        with self._lock:
            if self._waiting >= self._most_waiting:
                raise _busy()
            self._waiting += 1
        try:
            return self._pool.connect()
        except sqlalchemy.exc.TimeoutError:
            raise _busy() from None
        finally:
            with self._lock:
                self._waiting -= 1


def _busy() -> UserError:
    message = "all connections to the database are at work"
    return UserError("service.busy", message, "try again in a second, or with fewer requests")


def _see_that_it_lives(connection: dbapi.Connection, record: Any, _: Any) -> None:
    """Put the whole pool anew where a connection has died since it was used."""
    if time.monotonic() - record.info.get("used", 0.0) < FRESH_SECONDS:
        return
    try:
        execute(connection, "ping")
        connection.rollback()
    except adbc_driver_manager.Error as error:
        if unreachable(error):
            raise sqlalchemy.exc.InvalidatePoolError from error
        raise


def _note_time(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _read_only(url: str, query_seconds: float) -> str:
    """The address with settings for every session: nothing is written, nothing takes for ever."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{query_seconds * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{query_seconds * 1000:.0f}",
    }
    given = [query["options"]] if "options" in query else []
    query["options"] = " ".join(given + [f"-c {name}={value}" for name, value in settings.items()])
    query.setdefault("connect_timeout", "3")
    encoded = urlencode(query, quote_via=quote)  # libpq knows no plus sign for a space
    return urlunsplit(parts._replace(query=encoded))
