"""The reference for forecasts: plain Python over the transactions and streams of one customer.

It follows docs/explanation/streams.md step by step, under the same headings and names, and shares
no code with the columnar form in `forecasts`. Money is in minor units, dates are days since
1970-01-01.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tuppence.derived.payments_reference import Transaction
from tuppence.derived.streams_reference import Stream
from tuppence.feel.values import Date, add_months


class Forecast(NamedTuple):
    """The derived fields of an account that concern the future; None stands for null."""

    pay_day: int | None
    forecast: int | None
    forecast_low: int | None
    forecast_high: int | None
    shortfall_chance: int | None


TOO_LARGE: Final = 2**43
BALANCE_TOO_LARGE: Final = 2**52


def make_forecasts(
    transactions: Sequence[Transaction],
    streams: Sequence[Stream],
    balances: Mapping[str, int | None],
    as_of: int,
) -> dict[str, Forecast]:
    """Return the forecast of each account of one customer.

    Args:
        transactions: All transactions of the customer, in the order of the batch.
        streams: The customer's streams as of the date.
        balances: The last known balance by account, or None.
        as_of: The date.
    """
    going_on = [stream for stream in streams if stream.state != "stopped"]
    pay_day = pay_day_of(going_on, as_of)
    if pay_day is None:
        return dict.fromkeys(balances, Forecast(None, None, None, None, None))
    of_streams = {position for stream in going_on for position in stream.positions}
    forecasts = {}
    for account, balance in balances.items():
        due = sum(
            due_of(stream, as_of, pay_day) for stream in going_on if stream.account == account
        )
        sums = comparable_sums(transactions, of_streams, account, as_of, pay_day - as_of - 1)
        forecasts[account] = forecast_of(pay_day, balance, due, sums)
    return forecasts


def pay_day_of(streams: Sequence[Stream], as_of: int) -> int | None:
    """Return the day on which the largest income is expected."""
    incomes = [stream for stream in streams if stream.kind == "income"]
    if not incomes:
        return None
    largest = min(incomes, key=lambda stream: (-stream.monthly_amount, stream.next_date))
    return max(largest.next_date, as_of + 1)


def due_of(stream: Stream, as_of: int, pay_day: int) -> int:
    """Return the sum of a stream's payments or receipts in the period."""
    if stream.amount >= TOO_LARGE or stream.next_date < as_of - 7 or pay_day == as_of + 1:
        return 0
    times = len(range(stream.next_date, pay_day, stream.days))
    return times * (stream.amount if stream.kind == "income" else -stream.amount)


def comparable_sums(
    transactions: Sequence[Transaction],
    of_streams: set[int],
    account: str,
    as_of: int,
    days: int,
) -> list[int]:
    """Return the sums of the account's comparable periods of `days` days, in ascending order."""
    counted = {
        position: row
        for position, row in enumerate(transactions)
        if row.account == account and row.day <= as_of and abs(row.amount) < TOO_LARGE
    }
    if not counted:
        return []
    first_day = min(row.day for row in counted.values())
    total_of: Counter[int] = Counter()
    for position, row in counted.items():
        if position not in of_streams:
            total_of[row.day] += row.amount
    return sorted(
        sum(total_of[day] for day in range(start, start + days))
        for start in period_starts(as_of)
        if start >= first_day and start + days - 1 <= as_of
    )


def period_starts(as_of: int) -> list[int]:
    """Return the days on which comparable periods start."""
    starts: list[int] = []
    for months in range(1, 13):
        same_day = add_months(Date(as_of), -months).day + 1
        starts += range(same_day - 3, same_day + 4)
    return starts


def forecast_of(pay_day: int, balance: int | None, due: int, sums: Sequence[int]) -> Forecast:
    """Return the forecast, its band and the chance of less than nothing, from comparable sums."""
    n = len(sums)
    if n < 14 or balance is None or abs(balance) >= BALANCE_TOO_LARGE:
        return Forecast(pay_day, None, None, None, None)
    low, middle, high = (balance + due + sums[percent * n // 100] for percent in (7, 50, 92))
    below = sum(balance + due + one < 0 for one in sums)
    return Forecast(pay_day, middle, low, high, 100 * below // n)
