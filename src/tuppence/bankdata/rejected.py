"""Tells which rows that were set aside have come again, so that they need not be kept twice."""

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import polars as pl

from tuppence.facts.rows import OF_CUSTOMER, OWNER

OF_DOCUMENTS: Final = ("document", "place", "reason", "content")
"""Columns of items of documents that were set aside, before that of their customer."""
_BEFORE_CELLS: Final = 2
_IDENTIFIERS: Final = ("transactionId", "entryReference", "TransactionId", "transaction_id")

Again = Callable[[pl.DataFrame], pl.Series]
"""Returns for each row of a file of rejects whether the import has read the row again."""


def never(kept: pl.DataFrame) -> pl.Series:
    """Return that no row has come again."""
    return pl.Series([False] * kept.height, dtype=pl.Boolean)


def again_in_table(cells: Callable[[], pl.DataFrame]) -> Again:
    """Return how to recognise rows of a table.

    A row is the same if all cells are, as often as the table has it, and neither its customer nor
    its account is known to be another.

    Args:
        cells: Returns all rows of the table in the form of rejects.
    """

    def again(kept: pl.DataFrame) -> pl.Series:
        rows = cells()
        if kept.columns[_BEFORE_CELLS:] != rows.columns[_BEFORE_CELLS:]:
            return never(kept)
        names = [name for name in rows.columns[_BEFORE_CELLS:] if name not in OWNER]
        before, now = (
            frame.select(
                pl.col(frame.columns[_BEFORE_CELLS:]).cast(pl.String).fill_null("")
            ).with_columns(nth=pl.int_range(pl.len()).over(names))
            for frame in (kept, rows)
        )
        both = before.with_row_index("place").join(now, on=[*names, "nth"], suffix=" now")
        same = [(pl.col(name) == "") | (pl.col(name) == pl.col(f"{name} now")) for name in OWNER]
        found = both.filter(pl.all_horizontal(same))["place"]
        return pl.select(pl.int_range(kept.height).is_in(found.implode())).to_series()

    return again


def again_in_documents(
    customer: str, contents: Callable[[], Iterable[str]], identifiers: Collection[str]
) -> Again:
    """Return how to recognise items of documents.

    Args:
        customer: The customer of the documents.
        contents: Returns the contents of all items, in the form of rejects.
        identifiers: The bank's identifiers of the transactions that were taken.
    """

    def again(kept: pl.DataFrame) -> pl.Series:
        if tuple(kept.columns[: len(OF_DOCUMENTS)]) != OF_DOCUMENTS:
            return never(kept)
        read = {*contents()}
        found = [
            row[OF_CUSTOMER] == customer
            and (row["content"] in read or _identifier(row["content"]) in identifiers)
            for row in kept.iter_rows(named=True)
        ]
        return pl.Series(found, dtype=pl.Boolean)

    return again


def _identifier(content: str | None) -> str | None:
    """Return the identifier of a transaction in JSON, which may be cut off."""
    try:
        item: Any = json.loads(content or "")
    except ValueError:
        return None
    names = (item.get(name) for name in _IDENTIFIERS) if isinstance(item, dict) else ()
    return next((name for name in names if isinstance(name, str)), None)
