"""The customer and the account that a row of a table is about, even if the row is rejected."""

from collections.abc import Callable
from typing import Final

import polars as pl

from tuppence.bankdata.mapping import TableMapping
from tuppence.facts.rows import OWNER

_FIELDS: Final = {
    "customers": ("id", ""),
    "accounts": ("customer", "id"),
    "transactions": ("customer", "account"),
}
"""The fields of each table that name the customer and the account."""


def owner_columns(
    mapping: TableMapping, is_ragged: pl.Series, column_of: Callable[[str], str]
) -> list[pl.Expr]:
    """Return the customer and the account that each row is about, as two columns.

    The fields of a ragged row may be in the wrong columns, so only constants are certain there.

    Args:
        mapping: Says what the table's columns mean.
        is_ragged: For each row, whether it has too many or too few fields.
        column_of: Returns the name of the column that holds a field.
    """
    found = []
    for name, field in zip(OWNER, _FIELDS[mapping.table], strict=True):
        constant = pl.lit(mapping.constants.get(field), pl.String)
        known = pl.when(~is_ragged).then(column_of(field)).otherwise(constant)
        found.append((known if field else constant).alias(column_of(name)))
    return found
