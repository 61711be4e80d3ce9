"""Results and the ledger of runs in one SQLite file; a row holds one customer's packed results."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tuppence.adapters.embedded.sqlite import FileKind, SqliteFile
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults
from tuppence.usecases.customer_store import StoredResults
from tuppence.usecases.ledger import RunRecord, Tally

T = TypeVar("T")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS results (
    customer_id TEXT PRIMARY KEY,
    as_of INTEGER NOT NULL,      -- days since 1970-01-01
    ruleset TEXT NOT NULL,       -- digest
    packed BLOB NOT NULL         -- as tuppence.results.packed describes
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS replaced (    -- by the latest run: as it was after the run before
    customer_id TEXT PRIMARY KEY,
    as_of INTEGER,               -- NULL, like the rest, for a customer who had no results
    ruleset TEXT,
    packed BLOB
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS layouts (
    ruleset TEXT PRIMARY KEY,    -- digest
    layout BLOB NOT NULL         -- JSON: what the packed results of the ruleset mean
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    record BLOB NOT NULL         -- JSON
) STRICT;
CREATE TABLE IF NOT EXISTS items (
    number INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    tally BLOB NOT NULL,         -- JSON
    PRIMARY KEY (number, name)
) WITHOUT ROWID, STRICT;
"""
_PUT: Final = """
INSERT INTO results (customer_id, as_of, ruleset, packed) VALUES (?, ?, ?, ?)
ON CONFLICT (customer_id) DO UPDATE
SET as_of = excluded.as_of, ruleset = excluded.ruleset, packed = excluded.packed
WHERE excluded.as_of >= results.as_of
"""
_KEEP: Final = "INSERT OR IGNORE INTO replaced VALUES (?, ?, ?, ?)"
_PUT_LAYOUT: Final = "INSERT OR IGNORE INTO layouts (ruleset, layout) VALUES (?, ?)"
_BETWEEN: Final = "SELECT * FROM results WHERE customer_id BETWEEN ? AND ? LIMIT ?"
_MAX_PARAMETERS: Final = 1_000
"""Maximum number of customers in one query."""
RESULTS: Final = FileKind(
    _TABLES,
    earlier=2,
    page_size=16_384,
    remedy="remove the file and run again: results can always be computed again",
    format=4,  # a version that does not know the replaced results would not erase them
)


class Database:
    """One connection to a file of results. Implements the ports ResultStore and Ledger.

    Args:
        path: The file. A writer creates it if it is missing.
        reading: Open it read-only, and read all of it as of one moment.
        following: Open it read-only for long, and read each customer as of the latest moment.
        write_ahead: Use a write-ahead log, for many small transactions in several processes.

    Raises:
        UserError: The file is not a database, is damaged, or may not be opened in this way.
    """

    by_rule = False

    def __init__(
        self,
        path: Path,
        *,
        reading: bool = False,
        following: bool = False,
        write_ahead: bool = False,
    ) -> None:
        self._layouts: dict[str, Layout] = {}
        self._latest: tuple[tuple[int, int], RunRecord | None] | None = None
        read_only = reading or following
        self._file = SqliteFile(path, RESULTS, read_only=read_only, write_ahead=write_ahead)
        if reading:
            self._file.begin_reading()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- results ---------------------------------------------------------------------------------

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """Return the results of those of some customers who have any."""
        results: dict[str, CustomerResults] = {}
        for start in range(0, len(customer_ids), _MAX_PARAMETERS):
            chunk = customer_ids[start : start + _MAX_PARAMETERS]
            neighbours = self._rows(_BETWEEN, [min(chunk), max(chunk), 2 * len(chunk)])
            if len(neighbours) < 2 * len(
                chunk
            ):  # their rows are close together: one scan is enough
                wanted = set(chunk)
                results.update((r.customer_id, r) for r in neighbours if r.customer_id in wanted)
            else:
                marks = ",".join("?" * len(chunk))
                query = f"SELECT * FROM results WHERE customer_id IN ({marks})"  # noqa: S608 - only marks
                results.update((row.customer_id, row) for row in self._rows(query, chunk))
        return results

    def evaluation(self, customer: str) -> tuple[CustomerResults | None, RunRecord | None]:
        """Return the results of a customer and the run that was started last, as of one moment."""
        with self._file.moment() as version:
            return self.get([customer]).get(customer), self._latest_at(version)

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Insert or replace results, except where results of a later date are stored."""
        rows = list(rows)
        layouts = {row.layout.ruleset: row.layout for row in rows}
        with self._file.transaction() as connection:
            for ruleset in layouts.keys() - self._layouts.keys():
                connection.execute(_PUT_LAYOUT, [ruleset, msgspec.json.encode(layouts[ruleset])])
            connection.executemany(
                _PUT, ((r.customer_id, r.as_of, r.layout.ruleset, r.packed) for r in rows)
            )
        self._layouts |= layouts

    def replace(
        self, rows: Iterable[CustomerResults], before: Mapping[str, CustomerResults]
    ) -> None:
        """Put the results of the latest run, and keep those that they replace.

        Args:
            rows: The results.
            before: Stored results of the same customers.
        """
        rows, latest = list(rows), self.latest()
        replaced = [before.get(row.customer_id) for row in rows]
        with self._file.transaction() as connection:
            if latest is not None and latest.before is not None:
                connection.executemany(
                    _KEEP,
                    (
                        (row.customer_id, None, None, None)
                        if old is None
                        else (row.customer_id, old.as_of, old.ruleset, old.packed)
                        for row, old in zip(rows, replaced, strict=True)
                    ),
                )
            self.put(rows)

    def of(self, customer_id: str) -> StoredResults:
        """Return what is stored of a customer and after the run before, as of one moment."""
        with self._file.moment() as version:
            results, latest = self.get([customer_id]).get(customer_id), self._latest_at(version)
            before = None
            if latest is not None and latest.before is not None:
                before = results
                query = "SELECT * FROM replaced WHERE customer_id = ?"
                for _, as_of, ruleset, packed in self._file.rows(query, [customer_id]):
                    before = None
                    if packed is not None:
                        before = CustomerResults(customer_id, as_of, self._layout(ruleset), packed)
            return StoredResults(results, before, latest)

    def _latest_at(self, version: tuple[int, int]) -> RunRecord | None:
        """Return the run that was started last, read again only in another version of the file."""
        if self._latest is None or self._latest[0] != version:
            self._latest = version, self.latest()
        return self._latest[1]

    def erase(self, customer_id: str, *others: str) -> bool:
        """Erase the results of customers from the file, and return whether there were any."""
        connection = self._file.connection
        with self._file.errors():
            connection.pragma("secure_delete", "on")
            before = connection.total_changes()
            erased = [[one] for one in (customer_id, *others)]
            for table in ("results", "replaced"):
                query = f"DELETE FROM {table} WHERE customer_id = ?"  # noqa: S608 - one of two
                connection.executemany(query, erased)
            count = connection.total_changes() - before
            connection.execute("VACUUM")
            self._file.empty_log()
        return count > 0

    def _layout(self, ruleset: str) -> Layout:
        known = self._layouts.get(ruleset)
        if known is None:
            query = "SELECT layout FROM layouts WHERE ruleset = ?"
            known = self._one(query, [ruleset], Layout)
            if known is None:
                raise self._file.damaged(f"results of ruleset {ruleset} have no layout")
            self._layouts[ruleset] = known
        return known

    def scan(self, after: str = "") -> Iterator[CustomerResults]:
        """Yield the results of all customers after one, ordered by their identifiers.

        They are read in chunks, so that a slow consumer does not keep a run from writing.

        Raises:
            UserError: The file was changed after the first chunk was read, or is damaged.
        """
        query = "SELECT * FROM results WHERE customer_id > ? ORDER BY customer_id LIMIT ?"
        first = None
        while True:
            with self._file.moment() as (version, _):
                chunk = self._rows(query, [after, _MAX_PARAMETERS])
            if version != (first := first or version):
                raise self._file.changed()
            if not chunk:
                return
            yield from chunk
            after = chunk[-1].customer_id

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[CustomerResults]:
        return [
            CustomerResults(customer_id, as_of, self._layout(ruleset), packed)
            for customer_id, as_of, ruleset, packed in self._file.rows(query, parameters)
        ]

    # -- ledger ----------------------------------------------------------------------------------

    def latest(self) -> RunRecord | None:
        """Return the run that was started last, or None."""
        return self._one("SELECT record FROM runs ORDER BY number DESC LIMIT 1", [], RunRecord)

    def newest(self, count: int) -> Sequence[tuple[RunRecord, Mapping[str, Tally]]]:
        """Return the runs that were started last, newest first, each with its items done."""
        return [(run, self.done(run.run_id)) for run in self._runs(count)]

    def runs(self) -> Sequence[RunRecord]:
        """Return all runs, the one that was started last first."""
        return self._runs(-1)

    def _runs(self, count: int) -> list[RunRecord]:
        query = "SELECT record FROM runs ORDER BY number DESC LIMIT ?"
        with self._file.errors():
            return [
                msgspec.json.decode(record, type=RunRecord)
                for (record,) in self._file.rows(query, [count])
            ]

    def start(self, run: RunRecord) -> None:
        """Record the start of a run, replacing an earlier run of the same name.

        The results that it replaces are kept beside it until another run starts. If the run before
        did not finish, they are still those of the last run that did.
        """
        latest = self.latest()
        with self._file.transaction() as connection:
            before = None if latest is None else latest.before
            if latest is not None and latest.finished and latest.run_id != run.run_id:
                before = latest.as_of
                connection.execute("DELETE FROM replaced")
            connection.execute("DELETE FROM runs WHERE run_id = ?", [run.run_id])
            record = msgspec.structs.replace(run, before=before)
            connection.execute(
                "INSERT INTO runs (run_id, record) VALUES (?, ?)",
                [run.run_id, msgspec.json.encode(record)],
            )

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """Return the tallies of the items that are done, by name."""
        query = "SELECT name, tally FROM items JOIN runs USING (number) WHERE run_id = ?"
        with self._file.errors():
            return {
                name: msgspec.json.decode(tally, type=Tally)
                for name, tally in self._file.rows(query, [run_id])
            }

    @contextlib.contextmanager
    def completing(self, run_id: str, item: str, tally: Tally) -> Iterator[None]:
        """Record in one transaction that an item is done, and the results written in the block."""
        with self._file.transaction() as connection:
            yield
            connection.execute(
                "INSERT OR REPLACE INTO items SELECT number, ?, ? FROM runs WHERE run_id = ?",
                [item, msgspec.json.encode(tally), run_id],
            )

    def finish(self, run_id: str, at: int | None = None) -> None:
        """Record that all items of a run are done, and when."""
        run = self._one("SELECT record FROM runs WHERE run_id = ?", [run_id], RunRecord)
        if run is None:
            return
        finished = msgspec.json.encode(msgspec.structs.replace(run, finished=True, ended=at))
        with self._file.transaction() as connection:
            connection.execute("UPDATE runs SET record = ? WHERE run_id = ?", [finished, run_id])
        with self._file.errors():  # a finished run must survive a power failure
            self._file.connection.pragma("wal_checkpoint")

    # -- inside ----------------------------------------------------------------------------------

    def _one(self, query: str, parameters: Sequence[Any], kind: type[T]) -> T | None:
        """Return the decoded JSON of the first row of a query, or None without rows."""
        with self._file.errors():
            for (data,) in self._file.rows(query, parameters):
                return msgspec.json.decode(data, type=kind)
        return None
