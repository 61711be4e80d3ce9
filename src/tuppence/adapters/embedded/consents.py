"""Consents of a store: one row each in the SQLite file `consents.sqlite`.

A customer without any row was never asked: it is the store's owner, or a synthetic customer.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.sqlite import FileKind, SqliteFile, has_content
from tuppence.facts.consent import EVERYTHING, Access, Consent, Use, readable

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS consents (
    customer_id TEXT NOT NULL,
    id TEXT NOT NULL,
    granted INTEGER NOT NULL,    -- days since 1970-01-01
    expires INTEGER,
    withdrawn INTEGER,
    consent BLOB NOT NULL,       -- JSON: all of it
    PRIMARY KEY (customer_id, id)
) WITHOUT ROWID, STRICT;
"""
CONSENTS: Final = FileKind(
    _TABLE,
    earlier=0,
    page_size=4_096,
    remedy="restore it from a copy; without one, remove it and record every consent again",
)
_PUT: Final = """
INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (customer_id, id) DO UPDATE
SET granted = excluded.granted, expires = excluded.expires, withdrawn = excluded.withdrawn,
    consent = excluded.consent
"""


class _Kept(NamedTuple):
    version: tuple[int, int]
    use: Use
    access: dict[str, Access]


class Consents:
    """The consents of a store.

    Args:
        store: Its folder.
    """

    def __init__(self, store: Path) -> None:
        self._path = store / layout.CONSENTS
        self._lock = threading.Lock()
        self._inode: int | None = None
        self._file: SqliteFile | None = None
        self._kept: _Kept | None = None

    def of(self, customer: str) -> list[Consent]:
        """Return the consents of a customer, oldest first."""
        return sorted(self.of_all([customer]), key=lambda consent: (consent.granted, consent.id))

    def of_all(self, customers: Sequence[str]) -> list[Consent]:
        """Return the consents of some customers."""
        if not customers:
            return []
        query = "SELECT consent FROM consents WHERE customer_id BETWEEN ? AND ?"
        wanted = set(customers)
        with self._open(read_only=True) as file:
            if file is None:
                return []
            rows = file.rows(query, [min(customers), max(customers)])
            consents = [msgspec.json.decode(data, type=Consent) for (data,) in rows]
        return [consent for consent in consents if consent.customer in wanted]

    def all(self) -> list[Consent]:
        """Those of everybody."""
        with self._open(read_only=True) as file:
            rows = file.rows("SELECT consent FROM consents", []) if file else ()
            return [msgspec.json.decode(data, type=Consent) for (data,) in rows]

    def limited(self, use: Use, customer: str | None = None) -> dict[str, Access]:
        """Return the access by customer, for customers whose facts may not all be read.

        That of everybody is kept until the file changes: previews ask again and again.

        Args:
            use: The intended use of the facts.
            customer: Return the access of this customer only; None for all.
        """
        if customer is not None:
            with self._open(read_only=True) as file:
                return _limited(file, use, customer) if file else {}
        with self._lock:
            file = self._followed()
            if file is None:
                return {}
            with file.moment() as version:
                if self._kept is None or (self._kept.version, self._kept.use) != (version, use):
                    self._kept = _Kept(version, use, _limited(file, use, None))
                return self._kept.access

    def _followed(self) -> SqliteFile | None:
        """Return the file, which stays open, so that its version can be compared."""
        inode = self._path.stat().st_ino if has_content(self._path) else None
        if inode != self._inode:
            if self._file is not None:
                self._file.close()
            self._file = SqliteFile(self._path, CONSENTS, read_only=True) if inode else None
            self._inode, self._kept = inode, None
        return self._file

    def record(self, consents: Iterable[Consent]) -> None:
        """Insert consents, or replace those with the same identifiers; all of them or none."""
        rows = [
            (c.customer, c.id, c.granted, c.expires, c.withdrawn, msgspec.json.encode(c))
            for c in consents
        ]
        if rows:
            with self._open(make=True) as file:
                assert file is not None  # noqa: S101 - it was created
                with file.transaction() as connection:
                    connection.executemany(_PUT, rows)

    def erase(self, customer: str) -> int:
        """Erase the consents of a customer from the file, and return how many there were."""
        with self._open() as file:
            if file is None:
                return 0
            file.connection.execute("DELETE FROM consents WHERE customer_id = ?", [customer])
            erased = file.connection.changes()
            file.connection.execute("VACUUM")
            return erased

    def upgrade(self) -> None:
        """Upgrade the file to the present format, as every write does."""
        with self._open():
            pass

    @contextmanager
    def _open(self, *, make: bool = False, read_only: bool = False) -> Iterator[SqliteFile | None]:
        """Open the file, or yield None if no consent was ever recorded."""
        if not make and not has_content(self._path):
            yield None
            return
        with SqliteFile(self._path, CONSENTS, read_only=read_only) as file, file.errors():
            if not read_only:
                file.connection.pragma("secure_delete", "on")
            yield file


def _limited(file: SqliteFile, use: Use, customer: str | None) -> dict[str, Access]:
    query = "SELECT consent FROM consents WHERE ?1 IS NULL OR customer_id = ?1"
    by_customer: dict[str, list[Consent]] = {}
    for (data,) in file.rows(query, [customer]):
        consent = msgspec.json.decode(data, type=Consent)
        by_customer.setdefault(consent.customer, []).append(consent)
    access = {name: readable(consents, use) for name, consents in by_customer.items()}
    return {name: words for name, words in access.items() if not words >= EVERYTHING}
