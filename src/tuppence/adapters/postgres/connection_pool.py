"""A pool of connections to the database, with either driver."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

import sqlalchemy.event
import sqlalchemy.exc
from sqlalchemy.pool import QueuePool

from tuppence.adapters.postgres.connection import database_errors
from tuppence.errors import UserError

T = TypeVar("T")
"""Type of the connections."""

FRESH_SECONDS: Final = 1.0
"""Time after its last use during which a connection is reused without a ping."""


class ConnectionPool(Generic[T]):
    """A bounded number of connections, which threads share.

    Args:
        connect: Opens a connection.
        ping: Raises an error of the driver if a connection has failed.
        size: Maximum number of connections.
        wait_seconds: Seconds that a caller waits for a connection.
    """

    def __init__(
        self,
        connect: Callable[[], T],
        ping: Callable[[T], None],
        size: int,
        wait_seconds: float,
    ) -> None:
        make: Any = connect  # SQLAlchemy's types know its own dialects only
        self._ping = ping
        self._pool = QueuePool(
            make, pool_size=size, max_overflow=0, timeout=wait_seconds, reset_on_return="rollback"
        )
        sqlalchemy.event.listen(self._pool, "checkout", self._pre_ping)
        sqlalchemy.event.listen(self._pool, "checkin", _record_use)

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        return self._pool.checkedout()

    @contextlib.contextmanager
    def lend(self) -> Iterator[T]:
        """Lend a connection for the block.

        Raises:
            UserError: `service.busy` if all connections are in use; `database.unreachable` if the
                server is gone, after which another connection is made; other errors of the
                database as `database_errors` says.
        """
        try:
            lent: Any = self._pool.connect()
        except sqlalchemy.exc.TimeoutError:
            message = "all connections to the database are in use"
            hint = "try again in a second, or with fewer requests"
            raise UserError("service.busy", message, hint) from None
        try:
            with database_errors():
                yield lent.dbapi_connection
        except UserError as error:
            if error.code == "database.unreachable":
                lent.invalidate()
            raise
        finally:
            lent.close()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._pool.dispose()

    def _pre_ping(self, connection: T, record: Any, _: Any) -> None:
        """Replace all connections of the pool if this one has failed since its last use."""
        if time.monotonic() - record.info.get("used", 0.0) < FRESH_SECONDS:
            return
        try:
            with database_errors():
                self._ping(connection)
        except UserError as error:
            if error.code == "database.unreachable":
                raise sqlalchemy.exc.InvalidatePoolError from error
            raise


def _record_use(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()
