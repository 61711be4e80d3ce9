"""Income: receipts that recur from one payer, whatever their texts say."""

from typing import Any, Final

import numpy as np
import polars as pl

from tuppence.derived.chains import MIN_PAYMENTS
from tuppence.derived.groups import FIELDS
from tuppence.derived.streams import INCOME, find_streams
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

FIRST_CONFIDENCE: Final = 70
"""Confidence in three receipts, in hundredths; each further receipt adds `CONFIDENCE_STEP`."""
CONFIDENCE_STEP: Final = 5
MAX_CONFIDENCE: Final = 85
"""Upper limit of the confidence: a recurring receipt may be a friend's share of the rent."""


def incomes(transactions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Find the receipts that belong to streams of income.

    Args:
        transactions: Columns of the table of transactions; own transfers are marked.
        accounts: `id`, `customer` and `type` of their accounts.

    Returns:
        `account`, `id` and `income confidence` in hundredths, which is a grade, not a probability.
    """
    empty = pl.DataFrame(schema=_FOUND)
    if not transactions.height:
        return empty
    schema = Schema()
    owners = accounts.select(pl.col("customer").unique().sort().alias("id"))
    tables = {
        "customers": _whole(owners, "customers"),
        "accounts": _whole(accounts, "accounts"),
        "transactions": transactions,
    }
    content = ordered(coded(tables, schema, FIELDS))
    as_of = Date(int(content.transactions.select(pl.max("booking date")).item()))
    found = find_streams(batch_from(content, schema), as_of)
    streams = found.table.columns
    is_income = np.append(streams["kind"].values == INCOME + 1, np.bool_(False))
    rows = np.flatnonzero(is_income[found.of_row])
    if not len(rows):
        return empty
    further = streams["times"].values[found.of_row[rows]] - MIN_PAYMENTS
    confidence = np.minimum(FIRST_CONFIDENCE + CONFIDENCE_STEP * further, MAX_CONFIDENCE)
    names = pl.Series([None, *content.dictionaries["account"]], dtype=pl.String)
    here = content.transactions.select("account", "id")[rows]
    return here.select(
        names.gather(here["account"]).alias("account"),
        "id",
        pl.Series("income confidence", confidence),
    )


_FOUND: Final[dict[str, Any]] = {
    "account": pl.String,
    "id": pl.String,
    "income confidence": pl.Int64,
}


def _whole(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return a frame with all columns of its table; missing columns are null."""
    fields = columns(table, Schema())
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None))
        .cast(POLARS_TYPES[f.kind])
        .alias(name)
        for name, f in fields.items()
    )
