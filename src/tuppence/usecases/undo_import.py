"""Takes an import back, and computes the rows of customers from the imports that stay.

A store keeps the rows that each import has read. The rows of a customer follow from those that the
customer had before, and from the imports, one after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, NamedTuple, Protocol

import polars as pl

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.gaps import fill_from_store
from tuppence.bankdata.inference import infer_fields
from tuppence.errors import UserError
from tuppence.facts.imported import Import, Taken
from tuppence.facts.rows import Rows

TABLES: Final = "csv"
"""The command that imports tables, of which no field is filled from the store."""
_KEY: Final = ["account", "id"]


class ImportedFacts(Protocol):
    """Keeps facts together with the rows that each import has read."""

    def imports(self) -> Sequence[Import]:
        """Return the imports that can be taken back, oldest first."""
        ...

    def given(self, number: int, customers: Sequence[str] | None = None) -> Rows:
        """Return the rows that an import has read, with their accounts and customers."""
        ...

    def rows_before(self, customers: Sequence[str]) -> Rows:
        """Return the rows that customers had before the first of the imports."""
        ...

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers."""
        ...

    def customers(self) -> pl.DataFrame:
        """Return every customer: `id` and `currency`."""
        ...

    def replace_import(
        self, number: int, taken: Taken | None, customers: Sequence[str], rows: Rows
    ) -> None:
        """Take an import back or put another one in its place, and set rows of its customers."""
        ...


class KeptRejects(Protocol):
    """Keeps the rows that imports have set aside."""

    def remove(self, file: str) -> int:
        """Remove a file of rows, and return how many it had; 0 if there is none."""
        ...


class KeptResults(Protocol):
    """Keeps the results of customers."""

    def erase_results(self, customers: Sequence[str]) -> None:
        """Erase the results of customers who are no longer in the store."""
        ...


class Changes(NamedTuple):
    """The differences between the transactions of customers before and after a change.

    Attributes:
        new: Number of transactions that were not there before.
        changed: Number of those that were different before.
        removed: Number of those that are gone.
    """

    new: int
    changed: int
    removed: int


class TakenBack(NamedTuple):
    """The outcome of taking an import back.

    Attributes:
        made: The import.
        changes: The differences to the transactions before.
        kept: Number of its transactions that stay, because other imports have them too.
        rejects: Number of rows that it had set aside, and that are removed.
        gone: Number of customers without any data left.
    """

    made: Import
    changes: Changes
    kept: int
    rejects: int
    gone: int


def undo_import(
    number: int,
    facts: ImportedFacts,
    rejects: KeptRejects,
    results: KeptResults,
    enricher: Enricher,
) -> TakenBack:
    """Take an import back: afterwards the facts are what they were without it.

    Accounts and customers stay, as they are, while other imports have rows of them.

    Args:
        number: Number of the import.
        facts: The facts of the store.
        rejects: Its rows that were set aside.
        results: Its results.
        enricher: Finds merchants and categories.

    Raises:
        UserError: There is no such import.
    """
    made = next((one for one in facts.imports() if one.id == number), None)
    if made is None:
        message = f"there is no import {number} that can be taken back"
        raise UserError("import.unknown", message, "tuppence import list shows those that can")
    given = facts.given(number)
    whose = Taken(made, given).customers
    before = known_rows(facts, whose)
    after = rebuilt(facts, whose, enricher, {number: None})
    was, remaining = customers_in(before), customers_in(after)
    gone = [customer for customer in was if customer not in remaining]
    # What is kept beside the facts goes first: after a kill the same command continues.
    results.erase_results(gone)
    set_aside = rejects.remove(made.rejects) if made.rejects else 0
    facts.replace_import(number, None, whose, after)
    kept = 0
    if given.transactions is not None and after.transactions is not None:
        kept = given.transactions.join(after.transactions, on=_KEY, how="semi").height
    return TakenBack(made, differences(before, after), kept, set_aside, len(gone))


def rebuilt(
    facts: ImportedFacts,
    customers: Sequence[str],
    enricher: Enricher,
    instead: Mapping[int, Taken | None],
) -> Rows:
    """Return the rows of customers as they follow from the imports.

    Args:
        facts: The facts of the store.
        customers: The customers.
        enricher: Finds merchants and categories.
        instead: Imports to take in place of those of some numbers; None for none.
    """
    rows = facts.rows_before(customers)
    for made in facts.imports():
        taken = instead.get(made.id, Taken(made, Rows()))
        if taken is None:
            continue
        given = taken.given if made.id in instead else facts.given(made.id, customers)
        if taken.made.command != TABLES:
            given = fill_from_store(given, rows)
        rows = _after(rows, infer_fields(given, rows, enricher), taken.made.table)
        if rows.transactions is not None and taken.made.removed:
            removed = pl.col("id").is_in(list(taken.made.removed))
            rows = replace(rows, transactions=rows.transactions.filter(~removed))
    return rows


def customers_in(rows: Rows) -> list[str]:
    """Return the identifiers of the customers among rows."""
    return [] if rows.customers is None else rows.customers["id"].to_list()


def known_rows(facts: ImportedFacts, customers: Sequence[str]) -> Rows:
    """Return the rows of those customers who are in the store."""
    known = {*facts.customers()["id"]}
    return facts.rows_of(*(customer for customer in customers if customer in known))


def differences(before: Rows, after: Rows) -> Changes:
    """Return how the transactions of some customers differ, but for their order."""
    old, new = before.transactions, after.transactions
    if old is None or new is None:
        return Changes(0 if new is None else new.height, 0, 0 if old is None else old.height)
    values = [name for name in new.columns if name not in {*_KEY, "sequence"}]
    both = new.join(old, on=_KEY, suffix=" before")
    same = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"{v} before")) for v in values)
    changed = both.filter(~same).height
    return Changes(new.height - both.height, changed, old.height - both.height)


def _after(stored: Rows, incoming: Rows, table: str) -> Rows:
    """Return rows with those of an import added, or in place of those of the same identifiers.

    Args:
        stored: The rows before.
        incoming: The rows of the import, with all that is inferred.
        table: The table that a file's rows belong to; those of others only make owners exist.
    """
    tables = stored.tables()
    for name, frame in incoming.tables().items():
        if name not in tables:
            tables[name] = frame
            continue
        before = tables[name]
        rows = _in_place(frame, before) if name == "transactions" else frame
        both = pl.concat([before, rows.select(before.columns)])
        keep: Literal["first", "last"] = "last" if table in {"", name} else "first"
        key = _KEY if name == "transactions" else ["id"]
        tables[name] = both.unique(key, keep=keep, maintain_order=True)
    return Rows(**tables)


def _in_place(incoming: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Return transactions in which those that are stored keep their place in the order."""
    known = stored.select(*_KEY, known="sequence")
    rows = incoming.join(known, on=_KEY, how="left", maintain_order="left")
    return rows.with_columns(sequence=pl.coalesce("known", "sequence"))
