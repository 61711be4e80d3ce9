"""Transfers between a customer's own accounts: pairs of opposite bookings."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

MAX_DAYS: Final = 3
"""Maximum number of days between the two bookings of a transfer, to span a weekend."""
_NEVER: Final = ("card", "cash", "fee", "interest")
_OWED: Final = ("credit card", "loan")
"""Types of accounts that may be paid off by direct debit."""
_MAX_WAITING: Final = 16
"""Maximum number of unpaired bookings of one amount that are remembered at a time."""


class _Side(NamedTuple):
    account: str
    id: str
    account_type: str
    type: str | None
    day: int
    amount: int


def own_transfers(transactions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Find the transactions that are one side of a transfer between a customer's own accounts.

    Two bookings are a transfer if their amounts are opposite, their accounts are two of the same
    customer, and they are at most `MAX_DAYS` apart. Card payments, cash, fees and interest never
    are, and a direct debit is only if it pays off a card or a loan. Each booking is paired at most
    once, with the nearest in time.

    Args:
        transactions: Columns of the table of transactions.
        accounts: Columns of the table of accounts, for the accounts of the transactions.

    Returns:
        `account` and `id` of both sides of each transfer.
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
        waiting = [one for one in waiting if side.day - one.day <= MAX_DAYS][-_MAX_WAITING:]
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
