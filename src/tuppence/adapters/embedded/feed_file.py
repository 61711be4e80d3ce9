"""The memory of feeds in a store: the SQLite file `feed.sqlite`."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.sqlite import FileKind, SqliteFile, has_content
from tuppence.errors import UserError
from tuppence.feed.items import CLICKS, Event, ItemId, ItemState
from tuppence.feed.preferences import Preferences
from tuppence.usecases.feed_ports import (
    Kept,
    LoggedView,
    Received,
    View,
    Withdrawal,
    withdrawn_rules,
)

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS events (
    customer_id TEXT NOT NULL,
    id TEXT NOT NULL,            -- of the device
    received INTEGER NOT NULL,   -- milliseconds since 1970-01-01
    event BLOB NOT NULL,         -- JSON
    PRIMARY KEY (customer_id, id)
) WITHOUT ROWID, STRICT;
CREATE TRIGGER IF NOT EXISTS events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events only grow'); END;
CREATE TABLE IF NOT EXISTS views (
    customer_id TEXT NOT NULL,
    id TEXT NOT NULL,
    view BLOB NOT NULL,          -- JSON: every candidate of the feed
    PRIMARY KEY (customer_id, id)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS states (
    customer_id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    turn INTEGER NOT NULL,       -- days since 1970-01-01
    state BLOB NOT NULL,         -- JSON
    PRIMARY KEY (customer_id, rule_id, turn)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS preferences (
    customer_id TEXT PRIMARY KEY,
    preferences BLOB NOT NULL    -- JSON
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    customer_id TEXT NOT NULL,
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,         -- waiting, delivered or dead
    at INTEGER NOT NULL,         -- when it is due or has ended, milliseconds since 1970-01-01
    delivery BLOB NOT NULL,      -- JSON
    PRIMARY KEY (customer_id, id)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_id ON deliveries (id);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS deliveries_dead ON deliveries (at) WHERE state = 'dead';
CREATE TABLE IF NOT EXISTS withdrawals (
    number INTEGER PRIMARY KEY,
    withdrawal BLOB NOT NULL     -- JSON
) STRICT;
"""
FEED: Final = FileKind(
    _TABLES,
    earlier=0,
    page_size=4_096,
    remedy="restore it from a copy; without one, remove it: people then see again what they "
    "have dismissed, and are told again of what they have been told",
    format=4,
)
_OF_CUSTOMER: Final = ("events", "views", "states", "preferences", "deliveries")
_LOG: Final = """
SELECT customer_id, id, view FROM views
WHERE ? IS NULL OR json_extract(CAST(view AS TEXT), '$.night')
    > (SELECT max(json_extract(CAST(view AS TEXT), '$.night')) FROM views) - ?
ORDER BY customer_id, id
"""
"""Views of some last nights, or all."""
_MARKS: Final = 500
"""Maximum number of parameters of one query."""
_STATES: Final = msgspec.json.Decoder(ItemState)
_EVENTS: Final = msgspec.json.Decoder(Event)
_VIEWS: Final = msgspec.json.Decoder(View)
NOTHING_KEPT: Final = Kept({}, Preferences(), frozenset())
"""The memory of a person whose feed nobody has seen."""


class OpenFeed:
    """The file, open for a service; threads may share it.

    Args:
        store: The folder of the store.
        has_customer: Returns whether the store has a customer; asked inside of each change, so
            that nothing is written about somebody who was erased.

    Raises:
        UserError: The file is damaged, or may not be written.
    """

    def __init__(self, store: Path, has_customer: Callable[[str], bool]) -> None:
        self._has_customer = has_customer
        self._lock = threading.Lock()
        self._file = SqliteFile(store / layout.FEED, FEED, write_ahead=True)
        # what is acknowledged must not be lost
        self._file.connection.pragma("synchronous", "full")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    @contextlib.contextmanager
    def _changing(self, customer: str) -> Iterator[SqliteFile]:
        """Yield the file in a transaction that changes what is kept of a person."""
        with self._lock, self._file.transaction():
            if not self._has_customer(customer):
                raise UserError("facts.unknown-customer", f"there is no customer {customer}")
            yield self._file


class FeedFile(OpenFeed):
    """The feeds in the file. Implements the port FeedStore."""

    def kept(self, customer: str) -> Kept:
        """Return the stored events and preferences of a person."""
        with self._lock, self._file.moment():
            return read_kept(self._file, customer)

    @contextlib.contextmanager
    def change(self, customer: str) -> Iterator["_Change"]:
        """Change what is kept of a person: all that the block does, or nothing."""
        with self._changing(customer) as file:
            yield _Change(file, customer)

    def withdrawals(self) -> Sequence[Withdrawal]:
        """Return all withdrawals and restorations, oldest first."""
        with self._lock:
            return _withdrawals(self._file)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Keep a withdrawal."""
        content = msgspec.json.encode(withdrawal)
        with self._lock, self._file.transaction() as connection:
            connection.execute("INSERT INTO withdrawals (withdrawal) VALUES (?)", [content])


class FeedRecords:
    """The file, for commands: it need not exist. Implements the ports FeedData and FeedLog.

    Args:
        store: The folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._path = store / layout.FEED

    def kept(self, customer: str) -> Kept:
        """Return the stored events and preferences of a person."""
        with self._reading() as file:
            return NOTHING_KEPT if file is None else read_kept(file, customer)

    def export(self, customer: str) -> Mapping[str, Any]:
        """Return all that is kept of a person, for JSON."""
        with self._reading() as file:
            if file is None:
                return {}
            found: dict[str, Any] = {}
            made = {name for (name,) in file.rows("SELECT name FROM sqlite_schema")}
            for table in _OF_CUSTOMER:
                if table not in made:  # by an earlier version
                    found[table] = []
                    continue
                query = f"SELECT * FROM {table} WHERE customer_id = ? ORDER BY 1, 2"  # noqa: S608
                names = [name for _, name, *_ in file.rows(f"PRAGMA table_info({table})")]
                rows = [dict(zip(names, row, strict=True)) for row in file.rows(query, [customer])]
                found[table] = [
                    {
                        name: msgspec.json.decode(value) if isinstance(value, bytes) else value
                        for name, value in row.items()
                    }
                    for row in rows
                ]
            return found

    def log(self, nights: int | None = None) -> Iterator[LoggedView]:
        """Return the views that are kept of the last nights, as of one moment."""
        with self._reading() as file:
            if file is None:
                return
            clicked: dict[tuple[str, str], set[ItemId]] = {}
            for customer, content in file.connection.execute(
                "SELECT customer_id, event FROM events"
            ):
                event = _EVENTS.decode(content)
                if event.kind in CLICKS:
                    clicked.setdefault((customer, event.view), set()).add(event.item)
            for customer, name, content in file.connection.execute(_LOG, [nights, nights]):
                items = frozenset(clicked.get((customer, name), ()))
                yield LoggedView(customer, name, _VIEWS.decode(content), items)

    def erase(self, customer: str) -> int:
        """Erase all that is kept of a person from the file, and return the number of rows."""
        if not has_content(self._path):
            return 0
        with SqliteFile(self._path, FEED, write_ahead=True) as file, file.errors():
            file.connection.pragma("secure_delete", "on")
            count = 0
            with file.transaction() as connection:
                for table in _OF_CUSTOMER:
                    delete = f"DELETE FROM {table} WHERE customer_id = ?"  # noqa: S608 - its own
                    connection.execute(delete, [customer])
                    count += connection.changes()
            file.connection.execute("VACUUM")
            file.empty_log()
            return count

    @contextlib.contextmanager
    def _reading(self) -> Iterator[SqliteFile | None]:
        if not has_content(self._path):
            yield None
            return
        with SqliteFile(self._path, FEED, read_only=True) as file, file.errors(), file.moment():
            yield file


class _Change:
    """A change in an open transaction. Implements the port FeedChange."""

    def __init__(self, file: SqliteFile, customer: str) -> None:
        self._file = file
        self._customer = customer
        self.kept = read_kept(file, customer)

    def views(self, ids: Collection[str]) -> Mapping[str, View]:
        return {
            name: msgspec.json.decode(content, type=View)
            for name, content in self._named("views", "view", ids)
        }

    def events(self, ids: Collection[str]) -> Mapping[str, Event]:
        return {
            name: msgspec.json.decode(content, type=Event)
            for name, content in self._named("events", "event", ids)
        }

    def add(
        self,
        views: Mapping[str, View],
        events: Sequence[Received],
        states: Mapping[ItemId, ItemState],
    ) -> None:
        encode = msgspec.json.encode
        customer, connection = self._customer, self._file.connection
        connection.executemany(
            "INSERT OR IGNORE INTO views VALUES (?, ?, ?)",
            ((customer, name, encode(view)) for name, view in views.items()),
        )
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?)",
            ((customer, one.event.order.id, one.at, encode(one.event)) for one in events),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)",
            ((customer, *item, encode(state)) for item, state in states.items()),
        )

    def prefer(self, preferences: Preferences) -> None:
        self._file.connection.execute(
            "INSERT OR REPLACE INTO preferences VALUES (?, ?)",
            [self._customer, msgspec.json.encode(preferences)],
        )

    def _named(self, table: str, column: str, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        names = sorted(ids)
        for start in range(0, len(names), _MARKS):
            chunk = names[start : start + _MARKS]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT id, {column} FROM {table} WHERE customer_id = ? AND id IN ({marks})"  # noqa: S608 - its own
            yield from self._file.rows(query, [self._customer, *chunk])


def read_kept(file: SqliteFile, customer: str) -> Kept:
    """Return what is kept of a person in an open file."""
    states = file.rows("SELECT rule_id, turn, state FROM states WHERE customer_id = ?", [customer])
    chosen = file.rows("SELECT preferences FROM preferences WHERE customer_id = ?", [customer])
    return Kept(
        {ItemId(rule, turn): _STATES.decode(state) for rule, turn, state in states},
        msgspec.json.decode(chosen[0][0], type=Preferences) if chosen else Preferences(),
        withdrawn_rules(_withdrawals(file)),
    )


def _withdrawals(file: SqliteFile) -> list[Withdrawal]:
    rows = file.rows("SELECT withdrawal FROM withdrawals ORDER BY number")
    return [msgspec.json.decode(content, type=Withdrawal) for (content,) in rows]
