"""Refunds: receipts from a payee who was paid before, and the purchases that they pay back."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.enrichment.descriptors import descriptor_of

MAX_DAYS: Final = 120
"""Maximum number of days from a purchase to its refund."""
FULL_CONFIDENCE: Final = 95
"""Confidence in a refund of the whole purchase, in hundredths."""
PARTIAL_CONFIDENCE: Final = 85
"""Confidence in a refund of a part of the purchase, in hundredths."""
_OTHER: Final = ("cash", "fee", "interest", "salary")
_BY_HAND: Final = ("transfer", "standing order")
_OTHERWISE: Final = ("income", "benefits", "interest")


class _Row(NamedTuple):
    account: str
    payee: str
    day: int
    amount: int
    id: str


def refunds(transactions: pl.DataFrame) -> pl.DataFrame:
    """Find the receipts that are refunds, and the purchases that they are for.

    A receipt is a refund if the same account paid the same payee at least as much in the
    `MAX_DAYS` before. It is matched to the latest purchase of exactly that amount, or else to the
    latest larger one. Each purchase is refunded at most once.

    Args:
        transactions: Columns of the table of transactions.

    Returns:
        `account`, `id`, `refunded` (the refunded amount of a purchase; null for a receipt) and
        `refund confidence` (confidence that a receipt is a refund, in hundredths; null for a
        purchase).
    """
    texts = pl.col("account", "id", "type", "merchant", "text", "category").cast(pl.String)
    rows = transactions.select(texts, "booking date", "sequence", "amount", "own transfer")
    name = pl.when(~pl.col("type").is_in(_BY_HAND).fill_null(value=False)).then("text")
    rows = rows.with_columns(name=pl.coalesce("merchant", name)).filter(
        ~pl.col("own transfer"),
        pl.col("name").is_not_null(),
        ~pl.col("type").is_in(_OTHER).fill_null(value=False),
        ~pl.col("category").is_in(_OTHERWISE).fill_null(value=False),
    )
    accounts = rows.filter(pl.col("amount") > 0).select("account").unique()
    rows = rows.join(accounts, on="account", how="semi")
    names = rows.select("name").unique()
    payees = names.with_columns(
        payee=pl.Series([_payee(name) for name in names["name"]], dtype=pl.String)
    )
    rows = rows.join(payees, on="name").filter(pl.col("payee") != "")
    key = ["account", "payee"]
    rows = rows.join(rows.filter(pl.col("amount") > 0).select(key).unique(), on=key, how="semi")
    rows = rows.sort(*key, "booking date", "sequence", "id")
    found = list(
        _pairs(_Row(*row) for row in rows.select(*key, "booking date", "amount", "id").iter_rows())
    )
    return pl.DataFrame(found, schema=_FOUND, orient="row")


_FOUND: Final[dict[str, Any]] = {
    "account": pl.String,
    "id": pl.String,
    "refunded": pl.Int64,
    "refund confidence": pl.Int64,
}


def _payee(name: str) -> str:
    descriptor = descriptor_of(name)
    return " ".join(descriptor.telling(descriptor.lead, len(descriptor.words)))


def _pairs(rows: Iterator[_Row]) -> Iterator[tuple[str, str, int | None, int | None]]:
    """Pair receipts with purchases, given rows grouped by payee, oldest first.

    Yields:
        Rows of the result of `refunds`.
    """
    group: tuple[str, str] | None = None
    open_: list[_Row] = []
    for row in rows:
        if group != row[:2]:
            group, open_ = row[:2], []
        if row.amount < 0:
            open_.append(row)
            continue
        open_ = [one for one in open_ if row.day - one.day <= MAX_DAYS]
        exact = [one for one in open_ if -one.amount == row.amount]
        purchase = next(reversed(exact or [one for one in open_ if -one.amount > row.amount]), None)
        if purchase is not None:
            open_.remove(purchase)
            yield row.account, purchase.id, row.amount, None
            yield row.account, row.id, None, FULL_CONFIDENCE if exact else PARTIAL_CONFIDENCE
