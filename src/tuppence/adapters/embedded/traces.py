"""The proof of an erasure: every byte of every file of a store is read again.

A name is the identifier of the erased customer or of one of their accounts. Names may be part of
others (`ann` and `mary-ann`), common words (`main`), or identifiers of somebody else (customer `7`
and account `7`), so how a file is read depends on what it is:

- Rows with an owner (facts, results, consents, rejected rows) are traces if the owner is the
  customer. Other people's rows may contain the same word; such a mention is counted, and stays.
- A database must also hold no bytes that belong to no row, such as freed pages that name somebody.
- Rules, the manifest, the lock and the secret of the store are about nobody: a word in them is a
  mention.
- Any other file is a trace if a name occurs in it in any form.
"""

import json
import re
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checksums import ENDING as CHECKSUM
from tuppence.adapters.embedded.corrections import read_corrections
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.rejects import (
    ENDING,
    is_about,
    may_be_about,
    read_rejects,
    texts_in,
)
from tuppence.adapters.embedded.segments import table_of
from tuppence.errors import UserError
from tuppence.usecases.erase_customer import Traces

_SQLITE: Final = b"SQLite format 3\0"
_PARQUET: Final = b"PAR1"
_COUNTERS: Final = (slice(18, 20), slice(24, 28), slice(40, 44), slice(92, 96))
"""Bytes of a database's header that count its changes; the format is at
https://www.sqlite.org/fileformat2.html#the_database_header."""
_PAGE_SIZE: Final = slice(16, 18)
_RESERVED: Final = 20
"""The byte of the header with the number of bytes at the end of each page that hold no content."""
_FOLDERS: Final = frozenset({layout.FACTS, layout.REJECTS, layout.RULESETS, layout.MODELS})
_MIN_RAW: Final = 6
"""Bytes of a name that do not occur by chance in compressed data."""


def look_for(store: Path, customer: str, accounts: Collection[str]) -> Traces:
    """Read every file of a store for traces of a customer.

    Args:
        store: The store's folder.
        customer: Identifier of the customer.
        accounts: Identifiers of the customer's accounts.
    """
    facts = FactStore(store)
    owners = facts.owners().filter(pl.col("customer") != customer)
    others = {*facts.customers()["id"], *owners["id"]} - {customer}
    search = _Search(customer, frozenset(accounts), others)
    segments = facts.segment_names()
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    left, mentions = [], 0
    if any(one.source == customer and not one.table for one in facts.imports()):
        left.append(f"{layout.FACTS}/{layout.MANIFEST}")
    for path in files:
        is_left, mentioned = search.read(path, path.relative_to(store), segments)
        if is_left:
            left.append(path.relative_to(store).as_posix())
        mentions += mentioned
    return Traces(len(files), tuple(left), mentions)


class _Search:
    """Searches files of each kind for the names of a customer and their accounts.

    Each reading method returns whether a trace is left, and the number of mentions.
    """

    def __init__(self, customer: str, accounts: frozenset[str], others: Collection[str]) -> None:
        self._customer = customer
        self._accounts = accounts
        self._all = accounts | {customer}
        self._names = self._all - {*others}
        self._others = [name for name in others if any(one in name for one in self._names)]

    def read(self, path: Path, place: Path, segments: Collection[str]) -> tuple[bool, int]:
        """Read a file of a store.

        Args:
            path: The file.
            place: The same, relative to the store.
            segments: Names of the segments that belong to the store's facts.
        """
        try:
            return self._read(path, place, segments)
        except (sqlite3.Error, pl.exceptions.PolarsError, UserError, ValueError, KeyError):
            return self._is_anywhere(path.read_bytes()) or self._is_in_path(place), 0  # damaged

    def _read(self, path: Path, place: Path, segments: Collection[str]) -> tuple[bool, int]:
        match place.parts:
            case (layout.FACTS, segment, name) if segment in segments:
                if name == "dictionaries.json":
                    return self._dictionaries(path.read_bytes())
                return self._facts(path.read_bytes(), table_of(place.name))
            case (layout.REJECTS, *_) if place.name.endswith(ENDING):
                return self._rejects(path, place)
            case (layout.CORRECTIONS,):
                return self._corrections(path)
            case (layout.REJECTS, *_) if place.name.endswith(CHECKSUM):  # two numbers
                return len(place.parts) > 2 and self._is_in_path(place), 0
            case (
                (layout.LOCK | layout.IDENTIFIER_KEY,)
                | (layout.FACTS, layout.MANIFEST)
                | (layout.RULESETS | layout.MODELS, _)
            ):
                return False, self._is_in_text(path.read_bytes())
            case _ if place.name.endswith(".sqlite-shm"):  # numbers of pages
                return False, 0
        with path.open("rb") as file:
            is_database = file.read(len(_SQLITE)) == _SQLITE
        if is_database:
            return self._database(path)
        return self._is_anywhere(path.read_bytes()) or self._is_in_path(place), 0

    def _facts(self, data: bytes, table: str) -> tuple[bool, int]:
        """Read a table of a segment; rows are tied to owners by their identifiers."""
        frame = pl.read_parquet(data)
        customer = frozenset({self._customer})
        owners = {
            "customers": {"id": customer},
            "accounts": {"id": self._accounts, "customer": customer},
            "transactions": {"account": self._accounts},
        }[table]
        texts = [column for column in frame.iter_columns() if column.dtype == pl.String]
        is_left = any(
            column.is_in(list(owners[column.name])).any()
            for column in texts
            if column.name in owners
        )
        mentions = sum(
            int(column.is_in(list(self._names)).sum())
            for column in texts
            if column.name not in owners
        )
        return is_left or self._is_unexplained(data, texts), mentions

    def _dictionaries(self, data: bytes) -> tuple[bool, int]:
        """Read the texts of a segment's transactions, by field."""
        texts: dict[str, list[str]] = json.loads(data)
        is_left = bool(self._accounts & {*texts.get("account", ())})
        others = {text for name, held in texts.items() if name != "account" for text in held}
        return is_left, len(self._names & others)

    def _rejects(self, path: Path, place: Path) -> tuple[bool, int]:
        """Read rejected rows; a file in a folder of its own is named after a customer."""
        whose = (self._customer, self._accounts)
        frame = read_rejects(path)
        is_left = len(place.parts) > 2 and self._is_in_path(place)
        mentions = len(self._names & {*frame.columns})
        for row in frame.iter_rows(named=True):
            if is_about(row, *whose) or may_be_about(row, *whose):
                is_left = True
            else:
                mentions += self._is_among(row.values())
        return is_left, mentions

    def _corrections(self, path: Path) -> tuple[bool, int]:
        """Read corrections; those of other customers may have the same words."""
        kept = read_corrections(path)
        mentions = sum(self._is_among((one.text, one.category, one.merchant)) for one in kept)
        return any(one.customer == self._customer for one in kept), mentions

    def _database(self, path: Path) -> tuple[bool, int]:
        """Read all columns of all tables, then compare the file with a copy of its rows."""
        is_left, mentions = False, 0
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in found.fetchall():
                rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - one of its own
                for row in map(dict, rows):
                    whose = row.get("customer_id")
                    if whose == self._customer:
                        is_left = True
                    elif whose is not None or table in {"layouts", "withdrawals"}:
                        mentions += self._is_among(row.values())
                    else:
                        is_left |= self._is_among(row.values())
            return is_left or self._has_dead_bytes(path, database), mentions

    def _has_dead_bytes(self, path: Path, database: sqlite3.Connection) -> bool:
        """Return whether a database's file has a name more often than a copy of its rows."""
        with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=path.parent) as folder:
            copy = Path(folder) / "copy.sqlite"
            database.execute("VACUUM INTO ?", [str(copy)])
            if all(a == b for a, b in zip_longest(_pages(path), _pages(copy))):
                return False
            return any(_count(name, path) > _count(name, copy) for name in self._all)

    def _is_unexplained(self, data: bytes, texts: Iterable[pl.Series]) -> bool:
        """Return whether a long name occurs in bytes, and in none of the texts that they encode."""
        return any(
            name.encode() in data
            and not any(column.str.contains(name, literal=True).any() for column in texts)
            for name in self._names
            if len(name.encode()) >= _MIN_RAW
        )

    def _is_among(self, cells: Iterable[Any]) -> bool:
        """Return whether a cell is one of the names, or JSON with one of them as a value."""
        return any(not self._names.isdisjoint(texts_in(cell)) for cell in cells)

    def _is_in_path(self, place: Path) -> bool:
        """Return whether a part of a path is one of the names, but for its endings."""
        for part in map(unquote, place.parts[place.parts[0] in _FOLDERS :]):
            pieces = part.removesuffix(ENDING).split(".")
            stems = {".".join(pieces[:count]) for count in range(1, len(pieces) + 1)}
            if self._names & {part, *stems}:
                return True
        return False

    def _is_anywhere(self, data: bytes) -> bool:
        """Return whether a name occurs in the bytes of an unknown file, or in what they encode."""
        if data.startswith(_PARQUET):
            try:
                frame = pl.read_parquet(data)
            except pl.exceptions.PolarsError:  # cut off; its pages cannot be read by anybody
                pass
            else:
                cells = (cell for column in frame.iter_columns() for cell in column.to_list())
                return self._is_among(cells)
        if b"\0" not in data:
            return self._is_in_text(data)
        known = self._without_others(data)
        return any(form in known for name in self._names for form in _forms(name))

    def _is_in_text(self, data: bytes) -> bool:
        """Return whether a name occurs in a text as a whole word, in any form."""
        if not self._names.isdisjoint(texts_in(data)):
            return True
        known = self._without_others(data)
        for name in self._names:
            for form in _forms(name):
                if re.search(
                    rb"(?<![\w\x80-\xff])" + re.escape(form) + rb"(?![\w\x80-\xff])", known
                ):
                    return True
        return False

    def _without_others(self, data: bytes) -> bytes:
        """Return bytes without the longer names of other people that contain one of the names."""
        for other in sorted(self._others, key=len, reverse=True):
            for form in _forms(other):
                data = data.replace(form, b"\n")
        return data


def _pages(path: Path) -> Iterator[bytes]:
    """Yield the pages of a database without its counters of changes and without checksums."""
    with path.open("rb") as file:
        first = bytearray(file.read(1 << 16))
        size = int.from_bytes(first[_PAGE_SIZE])
        size = 1 << 16 if size == 1 else size
        content = size - first[_RESERVED]
        for counter in _COUNTERS:
            first[counter] = bytes(counter.stop - counter.start)
        yield bytes(first[:content])
        file.seek(size)
        while page := file.read(size):
            yield page[:content]


def _count(name: str, database: Path) -> int:
    """Return how often a name occurs in the pages of a database."""
    return sum(page.count(name.encode()) for page in _pages(database))


def _forms(name: str) -> Iterator[bytes]:
    """Yield how texts, JSON and paths write a name."""
    escaped = json.dumps(name)[1:-1]
    yield from dict.fromkeys(
        form.encode() for form in (name, escaped, escaped.upper(), quote(name, safe=""))
    )
