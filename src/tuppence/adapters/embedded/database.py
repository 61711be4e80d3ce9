"""Results and the ledger in one SQLite file: a row a customer, holding its packed results."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tuppence.adapters.embedded.files import disk_errors
from tuppence.errors import UserError
from tuppence.results.packed import Layout
from tuppence.results.result import CustomerResults
from tuppence.runs.ledger import RunRecord, Tally

FORMAT: Final = 2
_NEW_FILE: Final = f"""
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA user_version = {FORMAT};
"""
_TABLES: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS results (
    customer_id TEXT PRIMARY KEY,
    as_of INTEGER NOT NULL,      -- days since 1970-01-01
    ruleset TEXT NOT NULL,       -- digest
    packed BLOB NOT NULL         -- as tuppence.results.packed describes
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
_PUT_LAYOUT: Final = "INSERT OR IGNORE INTO layouts (ruleset, layout) VALUES (?, ?)"
_BETWEEN: Final = "SELECT * FROM results WHERE customer_id BETWEEN ? AND ? LIMIT ?"
_MOST_PARAMETERS: Final = 1_000


class Database:
    """One open SQLite file. Implements the ports ResultStore and Ledger.

    Args:
        path: The file, made where it is missing.
        reading: Read all of it as of one moment, whatever is written meanwhile; the file must
            exist.

    Raises:
        UserError: It is not a database, is damaged, cannot be written or, for reading, has no
            results yet.
    """

    by_rule = False

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self._path = path
        self._layouts: dict[str, Layout] = {}
        with self._errors(), disk_errors(path):
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            try:
                if reading:
                    self._begin_reading()
                else:
                    self._check_format()
                    self._connection.executescript(_TABLES)
            except (sqlite3.Error, UserError):
                self._connection.close()
                raise

    def _check_format(self) -> None:
        """See that a file that is there was made by a version that packs results as this one."""
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if not tables and version != FORMAT:
            self._connection.executescript(_NEW_FILE)
        elif version != FORMAT:
            message = f"{self._path}: of format {version}, and this version reads {FORMAT}"
            hint = "remove the file and run again: results can always be computed anew"
            raise UserError("store.format", message, hint)

    def _begin_reading(self) -> None:
        """Begin a transaction that sees the file as it is now."""
        self._connection.execute("BEGIN")
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'items'"  # made last
        if self._connection.execute(query).fetchone() == (0,):
            message = f"{self._path.parent}: there are no results here"
            raise UserError("results.missing", message, "tuppence run makes them")
        self._check_format()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- results ---------------------------------------------------------------------------------

    def get(self, customer_ids: Sequence[str]) -> Mapping[str, CustomerResults]:
        """What is kept of these customers."""
        found: dict[str, CustomerResults] = {}
        for start in range(0, len(customer_ids), _MOST_PARAMETERS):
            part = customer_ids[start : start + _MOST_PARAMETERS]
            neighbours = list(self._rows(_BETWEEN, [min(part), max(part), 2 * len(part)]))
            if len(neighbours) < 2 * len(part):  # they stand together: one walk finds them
                wanted = set(part)
                found.update((r.customer_id, r) for r in neighbours if r.customer_id in wanted)
            else:
                marks = ",".join("?" * len(part))
                query = f"SELECT * FROM results WHERE customer_id IN ({marks})"  # noqa: S608 - only marks
                found.update((row.customer_id, row) for row in self._rows(query, part))
        return found

    def put(self, rows: Iterable[CustomerResults]) -> None:
        """Keep these, unless what is there is of a later date."""
        given = list(rows)
        layouts = {row.layout.ruleset: row.layout for row in given}
        with self._errors(), self._transaction():
            for ruleset in layouts.keys() - self._layouts.keys():
                encoded = msgspec.json.encode(layouts[ruleset])
                self._connection.execute(_PUT_LAYOUT, [ruleset, encoded])
            self._connection.executemany(
                _PUT, ((r.customer_id, r.as_of, r.layout.ruleset, r.packed) for r in given)
            )
        self._layouts |= layouts

    def erase(self, customer_id: str) -> bool:
        """Erase the results of a customer, in the file too; whether there were any."""
        with self._errors():
            self._connection.execute("PRAGMA secure_delete = ON")
            query = "DELETE FROM results WHERE customer_id = ?"
            erased = self._connection.execute(query, [customer_id]).rowcount
            self._connection.execute("VACUUM")
            (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:  # a reader still needs pages of before
            message = f"{self._path}: another program is still reading this file"
            raise UserError("store.busy", message, "end it, and run the same command again")
        return erased > 0

    def _layout(self, ruleset: str) -> Layout:
        known = self._layouts.get(ruleset)
        if known is None:
            found = self._one("SELECT layout FROM layouts WHERE ruleset = ?", ruleset)
            data = found[0] if found else b""
            known = self._layouts[ruleset] = msgspec.json.decode(data, type=Layout)
        return known

    def scan(self, after: str = "") -> Iterator[CustomerResults]:
        """All customers' results in the order of their identifiers."""
        query = "SELECT * FROM results WHERE customer_id > ? ORDER BY customer_id"
        return self._rows(query, [after])

    def _rows(self, query: str, parameters: Sequence[Any]) -> Iterator[CustomerResults]:
        ruleset, layout = "", Layout("", ())
        with self._errors():
            for customer_id, as_of, given, packed in self._connection.execute(query, parameters):
                if given != ruleset:
                    ruleset, layout = given, self._layout(given)
                yield CustomerResults(customer_id, as_of, layout, packed)

    # -- ledger ----------------------------------------------------------------------------------

    def latest(self) -> RunRecord | None:
        """The run that was started last."""
        found = self._one("SELECT record FROM runs ORDER BY number DESC LIMIT 1")
        return msgspec.json.decode(found[0], type=RunRecord) if found else None

    def start(self, run: RunRecord) -> None:
        """Enter a run, in place of one of that name."""
        with self._errors(), self._transaction():
            self._connection.execute("DELETE FROM runs WHERE run_id = ?", [run.run_id])
            self._connection.execute(
                "INSERT INTO runs (run_id, record) VALUES (?, ?)",
                [run.run_id, msgspec.json.encode(run)],
            )

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """The items that are done."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT name, tally FROM items JOIN runs USING (number) WHERE run_id = ?", [run_id]
            )
            return {name: msgspec.json.decode(tally, type=Tally) for name, tally in rows}

    @contextlib.contextmanager
    def finishing(self, run_id: str, item: str, tally: Tally) -> Iterator[None]:
        """One transaction around the item's results and its entry."""
        with self._errors(), self._transaction():
            yield
            self._connection.execute(
                "INSERT OR REPLACE INTO items SELECT number, ?, ? FROM runs WHERE run_id = ?",
                [item, msgspec.json.encode(tally), run_id],
            )

    def finish(self, run_id: str) -> None:
        """Enter that all items are done."""
        found = self._one("SELECT record FROM runs WHERE run_id = ?", run_id)
        if found:
            record = msgspec.json.decode(found[0], type=RunRecord)
            whole = msgspec.json.encode(msgspec.structs.replace(record, finished=True))
            with self._errors(), self._transaction():
                self._connection.execute(
                    "UPDATE runs SET record = ? WHERE run_id = ?", [whole, run_id]
                )
            with self._errors():  # what is finished outlasts a loss of power, too
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- inside ----------------------------------------------------------------------------------

    def _one(self, query: str, *parameters: str) -> tuple[bytes] | None:
        with self._errors():
            found: tuple[bytes] | None = self._connection.execute(query, parameters).fetchone()
            return found

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; inside another it is a part of that one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            problem = str(error)
            hint = "nothing was lost; mend the cause and run the same command again"
            raise UserError(
                "store.disk", f"{self._path}: could not be used: {problem}", hint
            ) from error
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            hint = "remove the file and run again: results can always be computed anew"
            raise UserError("store.corrupt", f"{self._path}: damaged: {error}", hint) from error
