"""Balances of a statement: each should be the one before plus the amount."""

from typing import NamedTuple

import polars as pl

_PLACE = "place in file"


class Chain(NamedTuple):
    """A count of balances that follow from amounts, in one order and with one sign.

    Attributes:
        pairs: Balances that have one before, in the same account.
        broken: Those that are not the one before plus the amounts since.
    """

    pairs: int
    broken: int


def newest_first(rows: pl.DataFrame) -> pl.Series:
    """Return for each row whether its account's later rows of a day stand first.

    The balances decide or, without them, whether the dates rise or fall.

    Args:
        rows: `account`, `day`, `amount` and `balance` of the rows, as they stand in the file.
    """
    placed = rows.with_row_index(_PLACE)
    step = pl.col("day").diff().over("account")
    falls = placed.select("account", falls=(step < 0).cast(pl.Int64) - (step > 0).cast(pl.Int64))
    found = (
        falls.group_by("account")
        .agg(pl.col("falls").sum())
        .join(_chains(placed, backward=False), on="account", suffix=" forward")
        .join(_chains(placed, backward=True), on="account", suffix=" backward")
    )
    change = pl.col("broken").cast(pl.Int64) - pl.col("broken backward").cast(pl.Int64)
    newest = pl.when(change != 0).then(change > 0).otherwise(pl.col("falls") > 0)
    return rows.join(
        found.select("account", newest=newest), on="account", how="left", maintain_order="left"
    )["newest"]


def chain(rows: pl.DataFrame, *, backward: bool, turned: bool) -> Chain:
    """Return how many balances follow, over all accounts.

    Args:
        rows: Rows as for `newest_first`.
        backward: Whether later rows of a day stand first.
        turned: Whether the amounts have the other sign.
    """
    placed = rows.with_row_index(_PLACE)
    counts = _chains(placed, backward=backward, turned=turned).select("pairs", "broken").sum()
    return Chain(*(int(count) for count in counts.row(0)))


def _chains(placed: pl.DataFrame, *, backward: bool, turned: bool = False) -> pl.DataFrame:
    """Return `pairs` and `broken` of each account."""
    amount = -pl.col("amount") if turned else pl.col("amount")
    ordered = placed.sort("account", "day", _PLACE, descending=[False, False, backward])
    rest = ordered.with_columns(
        rest=pl.col("balance") - amount.cum_sum().over("account")
    )  # the same for all balances that follow from one another
    known = rest.filter(pl.col("rest").is_not_null())
    change = known.select("account", same=pl.col("rest") == pl.col("rest").shift(1).over("account"))
    counted = change.group_by("account").agg(
        pairs=pl.col("same").count(), broken=(~pl.col("same")).sum()
    )
    return placed.select("account").unique().join(counted, on="account", how="left").fill_null(0)
