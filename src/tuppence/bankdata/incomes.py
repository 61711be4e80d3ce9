"""Income: receipts that come again and again from one payer, whatever their texts say."""

from typing import Any, Final

import polars as pl

from tuppence.derived.chains import FIELDS, LEAST
from tuppence.derived.streams import search
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

FIRST: Final = 70
"""Confidence, in hundredths, in three receipts; each more adds `EACH`, up to `MOST`."""
EACH: Final = 5
MOST: Final = 85
"""No receipt is surer: what comes again may be a friend's share of the rent."""


def incomes(transactions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """The receipts that belong to streams of income.

    Args:
        transactions: With the columns of the facts' table, own transfers marked.
        accounts: Their `id`, `customer` and `type`.

    Returns:
        Their `account`, `id` and `income sure`: the confidence, in hundredths. It is a grade.
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
    found = search(batch_from(content, schema), as_of)
    sure = (FIRST + EACH * (pl.col("times") - LEAST)).clip(None, MOST).cast(pl.Int64)
    streams = found.streams.filter(pl.col("kind") == "income")
    rows = found.rows.join(streams.select("chain", sure.alias("income sure")), on="chain")
    if not rows.height:
        return empty
    names = pl.Series([None, *content.dictionaries["account"]], dtype=pl.String)
    here = content.transactions.select("account", "id")[rows["row"]]
    return here.select(names.gather(here["account"]).alias("account"), "id", rows["income sure"])


_FOUND: Final[dict[str, Any]] = {
    "account": pl.String,
    "id": pl.String,
    "income sure": pl.Int64,
}


def _whole(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """A frame with all columns of its table; those that are missing are null."""
    fields = columns(table, Schema())
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None))
        .cast(POLARS_TYPES[f.kind])
        .alias(name)
        for name, f in fields.items()
    )
