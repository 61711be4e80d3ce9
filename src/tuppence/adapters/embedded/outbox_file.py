"""Deliveries of what is new in feeds, in the SQLite file `feed.sqlite` of a store."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tuppence.adapters.embedded.feed_file import OpenFeed, read_kept
from tuppence.adapters.embedded.sqlite import SqliteFile
from tuppence.feed.news import Delivery
from tuppence.usecases.feed_ports import Kept

_DELIVERY: Final = msgspec.json.Decoder(Delivery)


class OutboxFile(OpenFeed):
    """The deliveries in the file. Implements the port Outbox."""

    def read(self, customer: str) -> tuple[Kept, Mapping[str, Delivery]]:
        """Return what is kept of a person's feeds, and all deliveries to them."""
        with self._lock, self._file.moment():
            return read_kept(self._file, customer), _deliveries(self._file, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change the deliveries to a person: all that the block does, or nothing."""
        with self._changing(customer) as file:
            yield _Change(file, customer)

    def drop(self, customer: str, delivery: str) -> None:
        """Remove a delivery; whoever it was for need not exist any more."""
        delete = "DELETE FROM deliveries WHERE customer_id = ? AND id = ?"
        with self._lock, self._file.transaction() as connection:
            connection.execute(delete, [customer, delivery])

    def due(self, channels: Collection[str], now: int, limit: int) -> Sequence[tuple[str, str]]:
        """Return customers and identifiers of deliveries that are due, the oldest ones first."""
        query = (
            "SELECT customer_id, id FROM deliveries WHERE state = 'waiting' AND at <= ? "
            "AND channel IN (SELECT value FROM json_each(?)) ORDER BY at, id LIMIT ?"
        )
        with self._lock:
            return [tuple(row) for row in self._file.rows(query, [now, _json(channels), limit])]

    def next_due(self, channels: Collection[str]) -> int | None:
        """Return when the next delivery is due; None if none is."""
        query = (
            "SELECT min(at) FROM deliveries WHERE state = 'waiting' "
            "AND channel IN (SELECT value FROM json_each(?))"
        )
        with self._lock:
            found: int | None = self._file.rows(query, [_json(channels)])[0][0]
        return found

    def dead(self, limit: int | None) -> Sequence[tuple[str, str, Delivery]]:
        """Return deliveries that were given up, each after its customer and identifier."""
        query = (
            "SELECT customer_id, id, delivery FROM deliveries WHERE state = 'dead' "
            "ORDER BY at DESC, id DESC LIMIT ?"
        )
        with self._lock:
            rows = self._file.rows(query, [-1 if limit is None else limit])  # -1 means all
            return [(who, name, _DELIVERY.decode(one)) for who, name, one in rows]

    def recipient(self, delivery: str) -> tuple[str, str] | None:
        """Return the customer and the channel of a delivery; None if there is no such delivery."""
        query = "SELECT customer_id, channel FROM deliveries WHERE id = ?"
        with self._lock:
            found = self._file.rows(query, [delivery])
        return tuple(found[0]) if found else None


class _Change:
    """A change in an open transaction. Implements the port OutboxChange."""

    def __init__(self, file: SqliteFile, customer: str) -> None:
        self._file = file
        self._customer = customer
        self.kept = read_kept(file, customer)
        self.deliveries: Mapping[str, Delivery] = _deliveries(file, customer)

    def write(self, put: Mapping[str, Delivery], remove: Collection[str]) -> None:
        connection, customer = self._file.connection, self._customer
        connection.executemany(
            "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?)",
            (
                (customer, name, one.channel, one.state.value, one.at, msgspec.json.encode(one))
                for name, one in put.items()
            ),
        )
        connection.executemany(
            "DELETE FROM deliveries WHERE customer_id = ? AND id = ?",
            ((customer, name) for name in remove),
        )


def _deliveries(file: SqliteFile, customer: str) -> dict[str, Delivery]:
    rows = file.rows("SELECT id, delivery FROM deliveries WHERE customer_id = ?", [customer])
    return {name: _DELIVERY.decode(content) for name, content in rows}


def _json(channels: Collection[str]) -> str:
    return msgspec.json.encode([*channels]).decode()
