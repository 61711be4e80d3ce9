"""A bounded pool of read-only connections that outlives restarts of the database."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
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
from tuppence.facts.consent import Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

FRESH_SECONDS: Final = 1.0
"""A connection that was used less long ago is taken without asking whether it is alive."""


class Pool:
    """Reads from PostgreSQL with a bounded number of connections. Implements the relay's Reader.

    Whoever asks while all of them are at work is refused: the relay has the queue. One more
    connection is for `check`, so that readiness does not depend on how busy the others are.

    Args:
        url: Of the database; several hosts may be named, for a fail-over.
        size: Connections at most.
        query_seconds: How long a query may take.
        purposes: Consents for one of these purposes count.
        today: Tells the clock's day, on which consents must be alive.
    """

    def __init__(
        self,
        url: str,
        size: int,
        query_seconds: float,
        purposes: frozenset[str],
        today: Callable[[], Date],
    ) -> None:
        self.size = size
        self._purposes = purposes
        self._today = today
        limited = _read_only(url, query_seconds)
        self._pool = _queue_pool(limited, size)
        self._checking = _queue_pool(limited, 1)

    @property
    def in_use(self) -> int:
        """Connections that are at work."""
        return self._pool.checkedout()

    def schema(self) -> Schema:
        """The schema of the facts."""
        with _lent(self._pool) as connection:
            return read_schema(connection)

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        """Customers whose consents allow an evaluation as of a date, after one."""
        with _lent(self._pool) as connection:
            return page(connection, after, self._use(as_of), limit)

    def gone(self, customers: Sequence[str]) -> list[str]:
        """Those of some customers who are not in the database."""
        with _lent(self._pool) as connection:
            return gone(connection, customers)

    def facts(
        self, customers: Sequence[str], as_of: Date, fields: Sequence[str] | None
    ) -> "FactRows":
        """The rows of customers as far as consents allow, as they were at one moment.

        Each table begins with a batch without rows, so that its columns are always told.
        """
        return FactRows(self._pool, customers, self._use(as_of), fields)

    def rules_in_force(self, as_of: Date) -> list[dict[str, Any]]:
        """Return rows of the approved definitions that are valid on a date.

        Each has the number of versions of all definitions; where no rule is in force there is one
        row without a rule.
        """
        with _lent(self._pool) as connection:
            found = execute(connection, "rules_in_force", as_of)
            return found.to_pylist() if found else []

    def check(self) -> None:
        """See that the database answers, and that the login may only read.

        Raises:
            UserError: It does not, or may write.
        """
        with _lent(self._checking) as connection:
            found = execute(connection, "powers")
            powers = found.column("what").to_pylist() if found else []
            if powers:
                message = f"the login of the relay may do more than read: it {', '.join(powers)}"
                hint = "tuppence database login relay --role reader makes one that may only read"
                raise UserError("relay.privileges", message, hint)

    def _use(self, as_of: Date) -> Use:
        return Use(self._purposes, self._today().day, as_of.day)

    def close(self) -> None:
        """Let go of all connections that are not at work."""
        self._pool.dispose()
        self._checking.dispose()


class FactRows:
    """The rows of some customers: batches, each with the name of its table.

    It holds a connection from the first batch until the last, or until it is closed.

    Args:
        pool: Lends the connection.
        customers: Their identifiers.
        use: What consents must allow.
        fields: The fields of transactions; all where it is None.
    """

    def __init__(
        self,
        pool: QueuePool,
        customers: Sequence[str],
        use: Use,
        fields: Sequence[str] | None,
    ) -> None:
        self._batches = self._read(pool, customers, use, fields)
        self._lock = threading.Lock()
        self._connection: dbapi.Connection | None = None
        self._cancelled = False

    def __iter__(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        return self._batches

    def cancel(self) -> None:
        """Have the query that another thread waits for end now, if there is one."""
        with self._lock:
            self._cancelled = True
            if self._connection is not None:
                with contextlib.suppress(adbc_driver_manager.Error):  # it has just ended
                    self._connection.adbc_cancel()

    def close(self) -> None:
        """Give the connection back."""
        self._batches.close()

    def _read(
        self,
        pool: QueuePool,
        customers: Sequence[str],
        use: Use,
        fields: Sequence[str] | None,
    ) -> Generator[tuple[str, pa.RecordBatch], None, None]:
        with _lent(pool) as connection, self._cancellable(connection):
            found = tables(connection, customers, use, fields)
            for table, reader in zip(TABLES, found, strict=True):
                yield table, pa.RecordBatch.from_pylist([], reader.schema)
                for batch in reader:
                    yield table, batch

    @contextlib.contextmanager
    def _cancellable(self, connection: dbapi.Connection) -> Iterator[None]:
        with self._lock:
            if self._cancelled:
                raise UserError("service.busy", "the request was cancelled", "send it again")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:  # from here on the connection may be lent to somebody else
                self._connection = None


def _queue_pool(url: str, size: int) -> QueuePool:
    pool = QueuePool(
        lambda: connect_columns(url),
        pool_size=size,
        max_overflow=0,
        timeout=0,
        reset_on_return="rollback",
    )
    sqlalchemy.event.listen(pool, "checkout", _see_that_it_lives)
    sqlalchemy.event.listen(pool, "checkin", _note_time)
    return pool


@contextlib.contextmanager
def _lent(pool: QueuePool) -> Iterator[dbapi.Connection]:
    try:
        lent: Any = pool.connect()
    except sqlalchemy.exc.TimeoutError:
        raise _busy() from None
    try:
        with database_errors():
            yield lent.dbapi_connection
    except UserError as error:
        if error.code == "database.unreachable":
            lent.invalidate()
        raise
    finally:
        lent.close()


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
