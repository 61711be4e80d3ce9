"""Forecasts of the balances of accounts on the day before the next pay day.

    forecast = balance + payments and receipts of streams until then + sum of a comparable period

A comparable period has the same length and starts within three days of the same day of an earlier
month. Recurring payments are excluded. The median of comparable periods gives the forecast; a low
and a high quantile give the band. docs/explanation/streams.md has the exact rules.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tuppence.derived.chains import TOO_LARGE
from tuppence.derived.streams import FoundStreams
from tuppence.facts.batch import NULL_DATE, NULL_MONEY, Column, FactBatch
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date, add_months

Array = npt.NDArray[Any]

MONTHS: Final = 12
"""Number of earlier months in which comparable periods start."""
MAX_SHIFT: Final = 3
"""Maximum number of days by which a comparable period may start earlier or later in its month."""
MIN_PERIODS: Final = 14
"""Minimum number of comparable periods for a forecast: those of two months."""
LOW: Final = 7
HIGH: Final = 92
"""Percentages of the comparable periods below the ends of the band.

A dozen months say little about extremes; with these ranks the band holds four of five balances.
"""
_MAX_OVERDUE: Final = 7
"""Number of days after which a late payment is no longer expected."""
_TOO_LARGE: Final = 2**43
"""Minor units below which floats hold a day's sum of amounts exactly, and 64 bits hold all sums."""
_BLOCK: Final = 4_096


def forecasts(
    found: FoundStreams, batch: FactBatch, balances: Array, as_of: Date
) -> Mapping[str, Column]:
    """Return the next pay day, and the forecast for the day before, of each account of a batch.

    Args:
        found: The streams of the batch as of the date.
        batch: The facts.
        balances: Balances of the accounts as of the date; NULL_MONEY where unknown.
        as_of: The date.

    Returns:
        The derived fields `pay day`, `forecast`, `forecast low` and `forecast high`. They are null
        without a stream of income, and the forecast also without a balance below `TOO_LARGE` and
        `MIN_PERIODS` comparable periods.
    """
    pay_day = _pay_days(found.streams, len(batch), as_of)
    of_account = np.repeat(pay_day, np.diff(batch.accounts.offsets))
    days = np.where(of_account == NULL_DATE, -1, of_account.astype(np.int64) - as_of.day - 1)
    rows = batch.account_rows()
    flows = _flows(found, batch, rows, as_of)
    due = _due(found.streams, rows, days, as_of)
    quantiles = np.full((3, len(days)), NULL_MONEY, np.int64)
    for first in range(0, len(days), _BLOCK):
        part = slice(first, first + _BLOCK)
        quantiles[:, part] = _period_sums(flows, days, first, min(first + _BLOCK, len(days)), as_of)
    known = (balances != NULL_MONEY) & (np.abs(balances) < TOO_LARGE)
    known &= (quantiles[0] != NULL_MONEY) & (days >= 0)
    columns = {"pay day": Column(FieldType.DATE, of_account.astype(np.int32))}
    for name, sums in zip(("forecast low", "forecast", "forecast high"), quantiles, strict=True):
        values = np.where(known, balances + due + sums, NULL_MONEY)
        columns[name] = Column(FieldType.MONEY, values.astype(np.int64))
    return columns


def _pay_days(streams: pl.DataFrame, customers: int, as_of: Date) -> Array:
    """Return the day after the date on which each customer's largest income is due."""
    incomes = streams.filter(pl.col("kind") == "income", pl.col("state") != "stopped")
    main = incomes.sort("monthly amount", "next date", descending=[True, False])
    main = main.unique("customer", keep="first", maintain_order=True)
    days = np.full(customers, NULL_DATE, np.int32)
    days[main["customer"].to_numpy()] = np.maximum(main["next date"].to_numpy(), as_of.day + 1)
    return days


class _Flows(NamedTuple):
    """Amounts that belong to no stream, by account: rows of accounts, days, minor units."""

    account: Array
    day: Array
    amount: Array
    first_day: Array


def _flows(found: FoundStreams, batch: FactBatch, rows: Array, as_of: Date) -> _Flows:
    table = batch.transactions
    amount = table.columns["amount"].values
    day = table.columns["booking date"].values.astype(np.int64)
    account = rows[table.columns["account"].values]
    alive = found.streams.filter(pl.col("state") != "stopped").select("chain")
    counted = (day <= as_of.day) & (np.abs(amount) < _TOO_LARGE) & (account >= 0)
    first = np.full(len(batch.accounts.columns["id"].values), as_of.day + 1, np.int64)
    np.minimum.at(first, account[counted], day[counted])
    counted[found.rows.join(alive, on="chain", how="semi")["row"].to_numpy()] = False
    return _Flows(account[counted], day[counted], amount[counted], first)


def _due(streams: pl.DataFrame, rows: Array, days: Array, as_of: Date) -> Array:
    """Return the sum of the streams' payments and receipts of each account until pay day."""
    account = rows[streams["account"].to_numpy()]
    until = as_of.day + days[account]
    next_, every = streams["next date"].to_numpy(), streams["days"].to_numpy()
    alive = (streams["state"] != "stopped").to_numpy() & (next_ >= as_of.day - _MAX_OVERDUE)
    alive &= (days[account] > 0) & (streams["amount"] < _TOO_LARGE).to_numpy()
    times = np.where(until >= next_, (until - next_) // every + 1, 0)  # a late payment is still due
    sign = np.where(streams["kind"].to_numpy() == "income", 1, -1)
    amount = np.where(alive, sign * streams["amount"].to_numpy() * times, 0)
    found = np.zeros(len(days), np.int64)
    np.add.at(found, account, amount)
    return found


def _period_sums(flows: _Flows, days: Array, first: int, stop: int, as_of: Date) -> Array:
    """Return low, middle and high sums of comparable periods, of accounts first to stop."""
    starts = np.array(list(_starts(as_of)), np.int64)
    base = int(starts.min())
    width = as_of.day + 1 - base
    here = (flows.account >= first) & (flows.account < stop) & (flows.day >= base)
    place = (flows.account[here] - first) * width + flows.day[here] - base
    count = stop - first
    sums = np.bincount(place, flows.amount[here], count * width).reshape(count, width)
    until = np.zeros((count, width + 1), np.int64)  # sums of all bookings before each day
    np.cumsum(sums.astype(np.int64), axis=1, out=until[:, 1:])
    length = days[first:stop, None]
    ends = starts[None, :] + length
    usable = (
        (length >= 0)
        & (ends <= as_of.day + 1)
        & (starts[None, :] >= flows.first_day[first:stop, None])
    )
    index = np.arange(count)[:, None]
    from_, to = starts[None, :] - base, np.where(usable, ends - base, 0)
    periods = np.where(usable, until[index, to] - until[index, from_], np.iinfo(np.int64).max)
    periods.sort(axis=1)
    many = usable.sum(axis=1)
    found = np.full((3, count), NULL_MONEY, np.int64)
    enough = many >= MIN_PERIODS
    for row, percent in enumerate((LOW, 50, HIGH)):
        rank = np.minimum(many * percent // 100, np.maximum(many - 1, 0))
        found[row, enough] = periods[np.arange(count), rank][enough]
    return found


def _starts(as_of: Date) -> Iterator[int]:
    """Yield the days on which comparable periods start."""
    for months in range(1, MONTHS + 1):
        day = add_months(as_of, -months).day + 1
        yield from range(day - MAX_SHIFT, day + MAX_SHIFT + 1)
