"""A bounded pool of read-only connections that survives restarts of the database."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from tuppence.adapters.postgres.connection import (
    connect_columns,
    execute,
)
from tuppence.adapters.postgres.connection_pool import ConnectionPool
from tuppence.adapters.postgres.facts import TABLES, gone, page, read_schema, tables
from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date


class Pool:
    """Reads from PostgreSQL with a bounded number of connections. Implements the relay's Reader.

    A request is refused while all connections are in use; the queue is the relay's. An additional
    connection is reserved for `check`, so that readiness does not depend on the load.

    Args:
        url: Address of the database; it may name several hosts, for a fail-over.
        size: Maximum number of connections.
        query_seconds: Timeout of a query.
        purposes: Consents for any of these purposes count.
        today: Returns the current day, on which consents must be in force.
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
        self._pool = _connections(limited, size)
        self._checking = _connections(limited, 1)

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        return self._pool.in_use

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        with self._pool.lend() as connection:
            return read_schema(connection)

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        """Return identifiers after a given one, of customers who consent to an evaluation."""
        with self._pool.lend() as connection:
            return page(connection, after, self._use(as_of), limit)

    def gone(self, customers: Sequence[str]) -> list[str]:
        """Return those of some customers who are not in the database."""
        with self._pool.lend() as connection:
            return gone(connection, customers)

    def facts(
        self, customers: Sequence[str], as_of: Date, fields: Sequence[str] | None
    ) -> "FactRows":
        """Return the rows of customers that consents allow to be read, as of one moment.

        Each table begins with an empty batch, so that its columns are always known.
        """
        return FactRows(self._pool, customers, self._use(as_of), fields)

    def rules_in_force(self, as_of: Date) -> list[dict[str, Any]]:
        """Return rows of the approved definitions that are valid on a date.

        Each row has the number of versions of all definitions; if no rule is in force there is one
        row without a rule.
        """
        with self._pool.lend() as connection:
            rows = execute(connection, "rules_in_force", as_of)
            return rows.to_pylist() if rows else []

    def check(self) -> None:
        """Check that the database answers, and that the login may only read.

        Raises:
            UserError: The database does not answer, or the login may do more than read.
        """
        with self._checking.lend() as connection:
            rows = execute(connection, "powers")
            powers = rows.column("what").to_pylist() if rows else []
            if powers:
                message = f"the login of the relay may do more than read: it {', '.join(powers)}"
                hint = "tuppence database login relay --role reader creates a read-only login"
                raise UserError("relay.privileges", message, hint)

    def _use(self, as_of: Date) -> Use:
        return Use(self._purposes, self._today().day, as_of.day)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._pool.close()
        self._checking.close()


class FactRows:
    """Batches of the rows of some customers, each with the name of its table.

    A connection is held from the first batch until the last, or until `close`.

    Args:
        pool: Pool of connections.
        customers: Identifiers of the customers.
        use: The intended use, which consents must allow.
        fields: Fields of transactions to read; None for all.
    """

    def __init__(
        self,
        pool: ConnectionPool[dbapi.Connection],
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
        """Cancel the query that another thread waits for, if there is one."""
        with self._lock:
            self._cancelled = True
            if self._connection is not None:
                with contextlib.suppress(adbc_driver_manager.Error):  # the query has just ended
                    self._connection.adbc_cancel()

    def close(self) -> None:
        """Return the connection to its pool."""
        self._batches.close()

    def _read(
        self,
        pool: ConnectionPool[dbapi.Connection],
        customers: Sequence[str],
        use: Use,
        fields: Sequence[str] | None,
    ) -> Generator[tuple[str, pa.RecordBatch], None, None]:
        with pool.lend() as connection, self._cancellable(connection):
            readers = tables(connection, customers, use, fields)
            for table, reader in zip(TABLES, readers, strict=True):
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
            with self._lock:  # from here on another request may use the connection
                self._connection = None


def _connections(url: str, size: int) -> ConnectionPool[dbapi.Connection]:
    return ConnectionPool(lambda: connect_columns(url), _ping, size, wait_seconds=0)


def _ping(connection: dbapi.Connection) -> None:
    execute(connection, "ping")
    connection.rollback()


def _read_only(url: str, query_seconds: float) -> str:
    """Return the address with session settings that forbid writes and limit durations."""
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
