"""Consents of a store of files: a row each in one SQLite file, `consents.sqlite`.

A customer without any row was never asked: it is the store's owner, or somebody made up.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tuppence.adapters.embedded.files import disk_errors
from tuppence.facts.consent import Consent

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
PRAGMA secure_delete = ON;
"""
_PUT: Final = """
INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (customer_id, id) DO UPDATE
SET granted = excluded.granted, expires = excluded.expires, withdrawn = excluded.withdrawn,
    consent = excluded.consent
"""
_LAPSED: Final = """
SELECT customer_id FROM consents GROUP BY customer_id
HAVING NOT max(granted <= ?1 AND (expires IS NULL OR ?1 < expires) AND withdrawn IS NULL)
"""


class Consents:
    """The consents of a store.

    Args:
        store: Its folder.
    """

    def __init__(self, store: Path) -> None:
        self._path = store / "consents.sqlite"

    def of(self, customer: str) -> list[Consent]:
        """Those of a customer, the oldest first."""
        return sorted(self.of_all([customer]), key=lambda consent: (consent.granted, consent.id))

    def of_all(self, customers: Sequence[str]) -> list[Consent]:
        """Those of some customers."""
        if not customers:
            return []
        query = "SELECT consent FROM consents WHERE customer_id BETWEEN ? AND ?"
        with self._open() as connection:
            ends = [min(customers), max(customers)]
            rows = connection.execute(query, ends).fetchall() if connection else []
        wanted = set(customers)
        found = (msgspec.json.decode(row[0], type=Consent) for row in rows)
        return [one for one in found if one.customer in wanted]

    def lapsed(self, day: int) -> frozenset[str]:
        """The customers whose consents all have ended, or not begun, on a day."""
        with self._open() as connection:
            rows = connection.execute(_LAPSED, [day]).fetchall() if connection else []
        return frozenset(row[0] for row in rows)

    def record(self, consents: Iterable[Consent]) -> None:
        """Keep these, in place of those of the same identifiers; all of them or none."""
        rows = [
            (c.customer, c.id, c.granted, c.expires, c.withdrawn, msgspec.json.encode(c))
            for c in consents
        ]
        with self._open(make=bool(rows)) as connection:
            if connection:
                connection.executemany(_PUT, rows)

    def erase(self, customer: str) -> int:
        """Erase those of a customer, in the file too; how many there were."""
        with self._open() as connection:
            if connection is None:
                return 0
            query = "DELETE FROM consents WHERE customer_id = ?"
            erased = connection.execute(query, [customer]).rowcount
            connection.commit()
            connection.execute("VACUUM")
            return erased

    @contextmanager
    def _open(self, *, make: bool = False) -> Iterator[sqlite3.Connection | None]:
        """The file in one transaction; None where nothing was ever recorded."""
        if not make and not self._path.exists():
            yield None
            return
        with disk_errors(self._path), closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(_TABLE)
            with connection:
                yield connection
