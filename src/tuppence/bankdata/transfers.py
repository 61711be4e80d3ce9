"""Transfers between a customer's own accounts: what leaves one and arrives in another."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

DAYS: Final = 3
"""Most days between the two bookings of a transfer: a weekend."""
_NEVER: Final = ("card", "cash", "fee", "interest")
_OWED: Final = ("credit card", "loan")
"""Types of accounts that one pays off, by direct debit too."""
_WAITING: Final = 16
"""Bookings of one amount whose other side is looked for at the same time."""


class _Side(NamedTuple):
    account: str
    id: str
    account_type: str
    type: str | None
    day: int
    amount: int


def own_transfers(transactions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """The transactions that are one side of a transfer between a customer's own accounts.

    Two bookings are the sides of one where amounts are opposite, accounts are two of the same
    customer and no more than `DAYS` lie between them; what a card, a till or the bank itself did is
    none, and a direct debit only where it pays off a card or a loan. Each booking is a side once;
    of several the nearest in time are taken.

    Args:
        transactions: With the columns of the facts' table.
        accounts: Likewise; those of the transactions.

    Returns:
        Their `account` and `id`.
    """
    owners = accounts.select(
        pl.col("id").cast(pl.String).alias("account"),
        pl.col("customer").cast(pl.String),
        pl.col("type").cast(pl.String).alias("account type"),
    )
    texts = pl.col("account", "id", "type").cast(pl.String)
    named = transactions.select(texts, "booking date", "amount")
    named = named.join(owners, on="account").filter(
        pl.col("amount") != 0, ~pl.col("type").is_in(_NEVER).fill_null(value=False)
    )
    order = ("customer", "size", "booking date", "account", "id")
    sides = named.with_columns(size=pl.col("amount").abs()).sort(order)
    names = ("customer", "size", "account", "id", "account type", "type", "booking date", "amount")
    found = list(_sides(sides.select(names).iter_rows()))
    return pl.DataFrame(found, schema={"account": pl.String, "id": pl.String}, orient="row")


def _sides(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    group: tuple[str, int] | None = None
    waiting: list[_Side] = []
    for customer, size, *fields in rows:
        if group != (customer, size):
            group, waiting = (customer, size), []
        side = _Side(*fields)
        waiting = [one for one in waiting if side.day - one.day <= DAYS][-_WAITING:]
        other = next((one for one in reversed(waiting) if _belong(one, side)), None)
        if other is None:
            waiting.append(side)
            continue
        waiting.remove(other)
        yield other.account, other.id
        yield side.account, side.id


def _belong(one: _Side, other: _Side) -> bool:
    paid, received = (one, other) if one.amount < 0 else (other, one)
    by_mandate = "direct debit" in (paid.type, received.type)
    return (
        paid.amount == -received.amount
        and paid.account != received.account
        and (not by_mandate or received.account_type in _OWED)
    )
