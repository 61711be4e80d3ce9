"""Rows that an import could not take: CSV files in the folder `rejects` of a store.

    rejects/statement.csv.rejects.csv       of a table that was imported
    rejects/statement.csv.2.rejects.csv     of another table of the same name
    rejects/open-banking/ann.rejects.csv    of a customer's documents, the customer percent-encoded

Each row names the customer and the account that it is about, as far as the import knows them.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.checksums import (
    read_checked,
    remove_checked,
    remove_orphans,
    write_checked,
)
from tuppence.adapters.embedded.files import disk_errors
from tuppence.adapters.embedded.locking import StoreChangedError, locked
from tuppence.bankdata.rejected import Again, never
from tuppence.errors import UserError
from tuppence.facts.rows import OF_ACCOUNT, OF_CUSTOMER
from tuppence.plain_text import editable_cell, from_editable_cell

ENDING: Final = ".rejects.csv"


class Rejects:
    """The rejected rows of a store.

    Args:
        store: The store's folder.
    """

    def __init__(self, store: Path) -> None:
        self._store = store

    def put(
        self,
        source: str,
        rows: pl.DataFrame,
        again: Again = never,
        earlier: str = "",
        taken: Collection[str] = (),
    ) -> str:
        """Write the rejected rows of an import.

        Rows of other imports stay until an import has read them again.

        Args:
            source: Name of the file that was imported; with a folder, of the documents.
            rows: The rows.
            again: Tells which kept rows the import has read again.
            earlier: The file with the rejected rows of an earlier import of the same bytes, which
                is replaced or removed.
            taken: Names of the files of other imports.

        Returns:
            The name of the file below the folder of rejects; empty where there are no rows.
        """
        folder = self._store / layout.REJECTS
        with locked(self._store), disk_errors(folder / source):
            for path in self._beside(source):
                if earlier and path == folder / earlier:
                    continue
                kept = read_rejects(path)
                is_again = again(kept)
                if is_again.all():
                    remove_checked(path)
                elif is_again.any():
                    write_checked(path, rejects_csv(kept.filter(~is_again)))
            if not rows.height:
                if earlier:
                    remove_checked(folder / earlier)
                return ""
            numbers = itertools.chain([""], (f".{n}" for n in itertools.count(2)))
            names = (f"{source}{number}{ENDING}" for number in numbers)
            free = (n for n in names if n not in taken and not (folder / n).exists())
            name = earlier or next(free)
            write_checked(folder / name, rejects_csv(rows))
        return name

    def path_of(self, name: str) -> Path:
        """Return the file of a name below the folder of rejects."""
        return self._store / layout.REJECTS / name

    def remove(self, file: str) -> int:
        """Remove a file of rows, and return how many it had; 0 if there is none.

        Args:
            file: Its name below the folder of rejects.
        """
        path = self._store / layout.REJECTS / file
        with locked(self._store), disk_errors(path):
            try:
                count = read_rejects(path).height
            except FileNotFoundError:
                return 0
            remove_checked(path)
        return count

    def _beside(self, source: str) -> Sequence[Path]:
        """Return the files that may have rows of a source: of tables, or of the same documents."""
        name = self._store / layout.REJECTS / source
        paths = sorted(name.parent.glob(f"*{ENDING}"))
        if "/" not in source:
            return paths
        number = re.compile(rf"{re.escape(name.name)}(\.\d+)?{re.escape(ENDING)}")
        return [path for path in paths if number.fullmatch(path.name)]

    def of(self, customer: str, accounts: Collection[str]) -> list[dict[str, Any]]:
        """Return a customer's rows.

        Raises:
            StoreChangedError: A file was removed after reading had begun.
        """
        return [
            row
            for frame in self.frames()
            for row in frame.iter_rows(named=True)
            if is_about(row, customer, accounts)
        ]

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of each file.

        Raises:
            StoreChangedError: A file was removed after reading had begun.
        """
        for path in self.paths():
            try:
                yield read_rejects(path)
            except FileNotFoundError:
                raise StoreChangedError(self._store) from None

    def erase(self, customer: str, accounts: Collection[str]) -> int:
        """Erase a customer's rows, and return how many there were.

        A row whose customer and account are both unknown is erased if any of its fields is the
        identifier of the customer or of an account of theirs.
        """
        erased = 0
        with locked(self._store):
            with disk_errors(self._store / layout.REJECTS):
                remove_orphans(
                    self._store / layout.REJECTS
                )  # their names may be those of customers
            for path in self.paths():
                frame = read_rejects(path)
                is_theirs = [
                    is_about(row, customer, accounts) or may_be_about(row, customer, accounts)
                    for row in frame.iter_rows(named=True)
                ]
                with disk_errors(path):
                    if all(is_theirs):
                        remove_checked(path)
                    elif any(is_theirs):
                        left = frame.filter(~pl.Series(is_theirs))
                        write_checked(path, rejects_csv(left))
                erased += sum(is_theirs)
        return erased

    def paths(self) -> Sequence[Path]:
        """Return all files of rejected rows."""
        return sorted((self._store / layout.REJECTS).rglob(f"*{ENDING}"))


def read_rejects(path: Path) -> pl.DataFrame:
    """Return the rows of a file, every field as text.

    Raises:
        FileNotFoundError: It is gone.
        UserError: It is damaged, or is not a CSV file.
    """
    hint = "remove it, and import the file it came from again"
    try:
        rows = pl.read_csv(read_checked(path, hint), infer_schema=False)
        return _each_text(rows, from_editable_cell)
    except FileNotFoundError:
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError("store.rejects", f"{path}: cannot be read: {error}", hint) from None


def rejects_csv(rejects: pl.DataFrame) -> bytes:
    """Return rows as CSV in which no cell is a formula or has a control character."""
    return _each_text(rejects, editable_cell).write_csv().encode()


def _each_text(frame: pl.DataFrame, change: Callable[[str], str]) -> pl.DataFrame:
    texts = pl.col(pl.String).map_elements(change, return_dtype=pl.String)
    return frame.with_columns(texts).rename(change)


def owner(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the customer and the account that a row is about; None for what is unknown."""
    return row.get(OF_CUSTOMER) or None, row.get(OF_ACCOUNT) or None


def is_about(row: Mapping[str, Any], customer: str, accounts: Collection[str]) -> bool:
    """Return whether a row is about a customer: by its customer or, without one, its account."""
    of_customer, of_account = owner(row)
    return of_account in accounts if of_customer is None else of_customer == customer


def may_be_about(row: Mapping[str, Any], customer: str, accounts: Collection[str]) -> bool:
    """Return whether a row without an owner has an identifier of the customer in any field."""
    names = {customer, *accounts}
    is_ownerless = owner(row) == (None, None)
    return is_ownerless and any(not names.isdisjoint(texts_in(cell)) for cell in row.values())


def texts_in(cell: Any) -> set[str]:
    """Return the texts of a cell: the cell itself and, where it is JSON, all texts in that."""
    if isinstance(cell, bytes):
        try:
            cell = cell.decode()
        except UnicodeDecodeError:
            return set()
    if not isinstance(cell, str):
        return set()
    found, stack = {cell}, list[Any]()
    with contextlib.suppress(ValueError, RecursionError):
        stack.append(json.loads(cell))
    while stack:
        match stack.pop():
            case str() as text:
                found.add(text)
            case list() as items:
                stack.extend(items)
            case dict() as fields:
                stack.extend([*fields, *fields.values()])
    return found
