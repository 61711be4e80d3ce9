"""Deliveries of what is new in feeds, in PostgreSQL."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import psycopg

from tuppence.adapters.postgres.connection import load_query
from tuppence.adapters.postgres.feeds import Connections, lock_person, read_kept
from tuppence.feed.news import Delivery
from tuppence.usecases.feed_ports import Kept

_DELIVERY: Final = msgspec.json.Decoder(Delivery)


class PostgresOutbox:
    """The deliveries in a database. Implements the port Outbox; threads may share it.

    Args:
        connections: Connections of a login with the role tuppence_feed.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self, customer: str) -> tuple[Kept, Mapping[str, Delivery]]:
        """Return what is kept of a person's feeds, and all deliveries to them."""
        with self._connections.transaction() as connection:
            return read_kept(connection, customer), _deliveries(connection, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change the deliveries to a person: all that the block does, or nothing."""
        with self._connections.transaction() as connection:
            lock_person(connection, customer)
            yield _Change(connection, customer)

    def drop(self, customer: str, delivery: str) -> None:
        """Remove a delivery; whoever it was for need not exist any more."""
        with self._connections.reading() as connection:
            connection.execute(load_query("outbox_remove"), [customer, [delivery]])

    def due(self, channels: Collection[str], now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return customers and identifiers of deliveries that are due, the oldest ones first."""
        with self._connections.reading() as connection:
            return connection.execute(
                load_query("outbox_due"), [[*channels], now, limit]
            ).fetchall()

    def next_due(self, channels: Collection[str]) -> int | None:
        """Return when the next delivery is due; None if none is."""
        with self._connections.reading() as connection:
            found = connection.execute(load_query("outbox_next"), [[*channels]]).fetchone()
        return None if found is None else found[0]

    def dead(self, limit: int | None) -> Sequence[tuple[str, str, Delivery]]:
        """Return deliveries that were given up, each after its customer and identifier."""
        with self._connections.reading() as connection:
            rows = connection.execute(load_query("outbox_dead"), [limit]).fetchall()
        return [(customer, name, _DELIVERY.decode(content)) for customer, name, content in rows]

    def recipient(self, delivery: str) -> tuple[str, str] | None:
        """Return the customer and the channel of a delivery; None if there is no such delivery."""
        with self._connections.reading() as connection:
            return connection.execute(load_query("outbox_recipient"), [delivery]).fetchone()


class _Change:
    """A change in an open transaction. Implements the port OutboxChange."""

    def __init__(self, connection: psycopg.Connection, customer: str) -> None:
        self._connection = connection
        self._customer = customer
        self.kept = read_kept(connection, customer)
        self.deliveries: Mapping[str, Delivery] = _deliveries(connection, customer)

    def write(self, put: Mapping[str, Delivery], remove: Collection[str]) -> None:
        if put:
            ones = put.values()
            columns = [
                [*put],
                [one.channel for one in ones],
                [one.state.value for one in ones],
                [one.at for one in ones],
                [msgspec.json.encode(one).decode() for one in ones],
            ]
            self._connection.execute(load_query("outbox_put"), [self._customer, *columns])
        if remove:
            self._connection.execute(load_query("outbox_remove"), [self._customer, [*remove]])


def _deliveries(connection: psycopg.Connection, customer: str) -> dict[str, Delivery]:
    rows = connection.execute(load_query("outbox_deliveries"), [customer]).fetchall()
    return {name: _DELIVERY.decode(content) for name, content in rows}
