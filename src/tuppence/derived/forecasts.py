"""Forecasts of the balances of accounts on the day before the next pay day.

    forecast = balance + payments and receipts of streams until then + sum of a comparable period

A comparable period has the same length and starts within three days of the same day of an earlier
month. Recurring payments are excluded. The median of comparable periods gives the forecast; a low
and a high quantile give the band. docs/explanation/streams.md has the exact rules.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop, part_of_loops
from tuppence.derived.groups import TOO_LARGE
from tuppence.derived.measures import INCOME, STOPPED
from tuppence.derived.streams import FoundStreams
from tuppence.facts.batch import NULL_DATE, NULL_MONEY, Array, Column, FactBatch, read_only
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date, add_months

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
_LARGE_FLOW: Final = 2**43
"""Minor units below which 64 bits hold all sums."""
_BLOCK: Final = 64
"""Number of accounts of a customer whose sums are kept at a time."""


class _Rows(NamedTuple):
    """Transactions: as in `groups.RowArrays`, with the row of each one's account and its stream."""

    offsets: Any
    days: Any
    amounts: Any
    accounts: Any
    account_rows: Any
    streams: Any


class _Streams(NamedTuple):
    """The columns of streams that forecasts read."""

    offsets: Any
    kinds: Any
    states: Any
    accounts: Any
    amounts: Any
    monthly: Any
    next_dates: Any
    days: Any


class _Room(NamedTuple):
    """Arrays that receive the sums of some accounts.

    Attributes:
        sums: Sum of all amounts before each day, by account.
        first_days: First day of each account.
        periods: Sums of comparable periods, ascending.
    """

    sums: Any
    first_days: Any
    periods: Any


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
        The derived fields of `FORECASTS`. They are null without a stream of income, and all but
        `pay day` also without a balance below `TOO_LARGE` and `MIN_PERIODS` comparable periods.
    """
    transactions, streams = batch.transactions, found.table
    read = (transactions.columns[name].values for name in ("booking date", "amount", "account"))
    rows = (transactions.offsets, *read, batch.account_rows(), found.of_row)
    names = ("kind", "state", "account", "amount", "monthly amount", "next date")
    columns = (streams.columns[name].values for name in names)
    starts = _starts(as_of)
    base = int(starts.min())
    accounts = len(balances)
    pay_days = np.full(accounts, NULL_DATE, np.int32)
    measured = np.full((4, accounts), NULL_MONEY, np.int64)
    room = _Room(
        np.zeros((_BLOCK, as_of.day + 2 - base), np.int64),
        np.zeros(_BLOCK, np.int64),
        np.zeros(len(starts), np.int64),
    )
    _forecast(
        _Rows._make(map(read_only, rows)),
        _Streams._make(map(read_only, (streams.offsets, *columns, found.days))),
        read_only(batch.accounts.offsets),
        read_only(balances),
        read_only(starts),
        base,
        as_of.day,
        room,
        pay_days,
        measured,
    )
    low, middle, high, chance = measured
    return {
        "pay day": Column(FieldType.DATE, pay_days),
        "forecast": Column(FieldType.MONEY, middle),
        "forecast low": Column(FieldType.MONEY, low),
        "forecast high": Column(FieldType.MONEY, high),
        "shortfall chance": Column(FieldType.NUMBER, chance, decimals=2),
    }


@functools.lru_cache(maxsize=8)  # batches are of few dates
def _starts(as_of: Date) -> Array:
    """Return the days on which comparable periods start."""
    first = [add_months(as_of, -months).day + 1 for months in range(1, MONTHS + 1)]
    shifts = range(-MAX_SHIFT, MAX_SHIFT + 1)
    return np.array([day + shift for day in first for shift in shifts], np.int64)


@loop
def _forecast(
    rows: _Rows,
    streams: _Streams,
    account_offsets: Any,
    balances: Any,
    starts: Any,
    base: int,
    as_of: int,
    room: _Room,
    pay_days: Any,
    out: Any,
) -> None:
    """Write the pay days, and for each account the low, middle and high forecasts and the chance.

    Both hold nulls. The chance is that of a balance below zero, in hundredths.

    Args:
        rows: The transactions.
        streams: The streams.
        account_offsets: First account of each customer.
        balances: Balance of each account.
        starts: Days on which comparable periods start.
        base: The first of them.
        as_of: The date.
        room: Array for sums.
        pay_days: Pay day of each account.
        out: Forecasts by account.
    """
    for customer in range(len(account_offsets) - 1):
        pay_day = _pay_day(streams, customer, as_of)
        if pay_day == NULL_DATE:
            continue
        last = account_offsets[customer + 1]
        for first in range(account_offsets[customer], last, _BLOCK):
            end = min(first + _BLOCK, last)
            _add_up(rows, streams, customer, first, end, base, as_of, room)
            for account in range(first, end):
                pay_days[account] = pay_day
                balance = balances[account]
                if balance == NULL_MONEY or balance <= -TOO_LARGE or balance >= TOO_LARGE:
                    continue
                count = _periods(room, account - first, starts, base, pay_day - as_of - 1, as_of)
                if count < MIN_PERIODS:
                    continue
                balance += _due(rows, streams, customer, account, pay_day, as_of)
                out[0, account] = balance + room.periods[count * LOW // 100]
                out[1, account] = balance + room.periods[count * 50 // 100]
                out[2, account] = balance + room.periods[count * HIGH // 100]
                below = 0
                while below < count and balance + room.periods[below] < 0:
                    below += 1
                out[3, account] = 100 * below // count


@part_of_loops
def _pay_day(streams: _Streams, customer: int, as_of: int) -> int:
    """Return the day on which a customer's largest income is due, at least the day after a date."""
    largest = -1
    found = NULL_DATE
    for stream in range(streams.offsets[customer], streams.offsets[customer + 1]):
        if streams.kinds[stream] != INCOME + 1 or streams.states[stream] == STOPPED + 1:
            continue
        monthly, due = streams.monthly[stream], streams.next_dates[stream]
        if monthly > largest or (monthly == largest and due < found):
            largest, found = monthly, due
    return found if largest < 0 else max(found, as_of + 1)


@part_of_loops
def _add_up(
    rows: _Rows,
    streams: _Streams,
    customer: int,
    first: int,
    end: int,
    base: int,
    as_of: int,
    room: _Room,
) -> None:
    """Write, for each account from `first` to `end`, the sums of what belongs to no stream."""
    days = room.sums.shape[1]
    for account in range(end - first):
        room.first_days[account] = as_of + 1
        for day in range(days):
            room.sums[account, day] = 0
    for row in range(rows.offsets[customer], rows.offsets[customer + 1]):
        day, amount = rows.days[row], rows.amounts[row]
        if day > as_of:
            break
        account = rows.account_rows[rows.accounts[row]] - first
        if account < 0 or account >= end - first or abs(amount) >= _LARGE_FLOW:
            continue
        room.first_days[account] = min(room.first_days[account], day)
        stream = rows.streams[row]
        if day >= base and (stream < 0 or streams.states[stream] == STOPPED + 1):
            room.sums[account, day - base + 1] += amount
    for account in range(end - first):
        for day in range(1, days):
            room.sums[account, day] += room.sums[account, day - 1]


@part_of_loops
def _periods(room: _Room, account: int, starts: Any, base: int, length: int, as_of: int) -> int:
    """Write the sums of an account's comparable periods in ascending order; return how many."""
    count = 0
    for start in starts:
        if start < room.first_days[account] or start + length > as_of + 1:
            continue
        place = start - base
        value = room.sums[account, place + length] - room.sums[account, place]
        i = count
        while i > 0 and room.periods[i - 1] > value:
            room.periods[i] = room.periods[i - 1]
            i -= 1
        room.periods[i] = value
        count += 1
    return count


@part_of_loops
def _due(
    rows: _Rows, streams: _Streams, customer: int, account: int, pay_day: int, as_of: int
) -> int:
    """Return the sum of the streams' payments and receipts of an account until pay day."""
    due = 0
    if pay_day == as_of + 1:
        return due
    for stream in range(streams.offsets[customer], streams.offsets[customer + 1]):
        next_date, amount = streams.next_dates[stream], streams.amounts[stream]
        if (
            streams.states[stream] == STOPPED + 1
            or amount >= _LARGE_FLOW
            or next_date < as_of - _MAX_OVERDUE
            or next_date >= pay_day  # a late payment is still due
            or rows.account_rows[streams.accounts[stream]] != account
        ):
            continue
        times = (pay_day - 1 - next_date) // streams.days[stream] + 1
        due += times * (amount if streams.kinds[stream] == INCOME + 1 else -amount)
    return due
