"""The reference for streams: plain Python over the transactions of one customer.

It follows docs/explanation/streams.md step by step, under the same headings and names, and shares
no code with the columnar form in `streams`. Money is in minor units, dates are days since
1970-01-01.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from tuppence.derived.chains_reference import (
    FOUR_WEEKLY,
    Cadence,
    Payment,
    Transaction,
    cadence_of,
    find_payments,
    join_renamed,
    link_chains,
)
from tuppence.feel.values import civil, days_from_civil, days_in_month


class Stream(NamedTuple):
    """A stream: first the fields of the schema, under their names with `_` for a space.

    Attributes:
        days: Days of its cadence.
        positions: Positions of its payments among the transactions.
    """

    kind: str
    payee: str
    category: str | None
    cadence: str
    state: str
    times: int
    amount: int
    previous_amount: int
    change: int
    typical_amount: int
    monthly_amount: int
    first_date: int
    last_date: int
    next_date: int
    window_days: int
    confidence: int
    account: str
    days: int
    positions: tuple[int, ...]


def find_streams(transactions: Sequence[Transaction], as_of: int) -> list[Stream]:
    """Return the streams of one customer, in the order of the page.

    Args:
        transactions: All transactions of the customer, in the order of the batch.
        as_of: The date.
    """
    chains = join_renamed(link_chains(find_payments(transactions, as_of)))
    found = [make_stream(chain, as_of) for chain in chains]
    streams = [stream for stream in found if stream is not None]
    return sorted(streams, key=lambda s: (s.first_date, s.payee, s.amount, s.positions[0]))


def make_stream(chain: Sequence[Payment], as_of: int) -> Stream | None:
    """Return a chain as a stream, or None if it is not one."""
    cadence = stream_cadence(chain)
    if cadence is None or not has_enough_payments(chain) or not has_steady_amount(chain):
        return None
    last, before = chain[-1], chain[-2]
    next_date = next_date_of(chain, cadence)
    window_days = window_days_of(chain, cadence)
    return Stream(
        kind=kind_of(chain),
        payee=last.payee.name,
        category=last.category,
        cadence=cadence.name,
        state=state_of(len(chain), as_of, next_date + cadence.days // 2 + window_days),
        times=len(chain),
        amount=last.size,
        previous_amount=before.size,
        change=last.size - before.size,
        typical_amount=doubled_median([payment.size for payment in chain]) // 2,
        monthly_amount=monthly_amount_of(last.size, cadence),
        first_date=chain[0].day,
        last_date=last.day,
        next_date=next_date,
        window_days=window_days,
        confidence=confidence_of(chain, cadence),
        account=last.account,
        days=cadence.days,
        positions=tuple(payment.position for payment in chain),
    )


# -- which chains are streams ----------------------------------------------------------------------


def has_enough_payments(chain: Sequence[Payment]) -> bool:
    """Return whether a chain has three payments, or two by mandate."""
    return len(chain) >= (2 if is_by_mandate(chain) else 3)


def stream_cadence(chain: Sequence[Payment]) -> Cadence | None:
    """Return the cadence of the median gap."""
    if len(chain) < 2:
        return None
    doubled = doubled_median(gaps_of(chain))
    cadence = cadence_of(doubled / 2)
    weekdays = {payment.day % 7 for payment in chain}
    month_days = [month_day(payment.day) for payment in chain]
    by_weeks = doubled == 2 * 28 and len(weekdays) == 1
    if by_weeks and max(month_days) - min(month_days) > 6:
        return FOUR_WEEKLY
    return cadence


def has_steady_amount(chain: Sequence[Payment]) -> bool:
    """Return whether the amount may vary, or changed only a few times."""
    allowed = 0 if len(chain) == 3 else 1 + len(chain) // 6
    return is_by_mandate(chain) or chain[0].is_income or changes_of(chain) <= allowed


def is_by_mandate(chain: Sequence[Payment]) -> bool:
    """Return whether more than half of the payments are by mandate."""
    return 2 * sum(payment.by_mandate for payment in chain) > len(chain)


def is_by_card(chain: Sequence[Payment]) -> bool:
    """Return whether more than half of the payments are by card."""
    return 2 * sum(payment.by_card for payment in chain) > len(chain)


def changes_of(chain: Sequence[Payment]) -> int:
    """Return the number of times that the amount changed by more than half a percent."""
    return sum(200 * abs(b.size - a.size) > a.size for a, b in pairwise(chain))


# -- fields of streams -----------------------------------------------------------------------------


def kind_of(chain: Sequence[Payment]) -> str:
    """Return income, subscription or bill."""
    if chain[0].is_income:
        return "income"
    return "subscription" if is_by_card(chain) else "bill"


def next_date_of(chain: Sequence[Payment], cadence: Cadence) -> int:
    """Return the day on which the next payment is expected."""
    last = chain[-1].day
    if cadence.months:
        usual = doubled_median([month_day(payment.day) for payment in chain]) // 2
        year, month, _ = civil(last)
        years, month = divmod(month - 1 + cadence.months, 12)
        year, month = year + years, month + 1
        due = days_from_civil(year, month, min(usual, days_in_month(year, month)))
    else:
        due = last + cadence.days
    days_after_saturday = (due - SATURDAY) % 7
    if days_after_saturday > 1:
        return due
    if chain[0].is_income:
        return due - 1 - days_after_saturday
    return due + 2 - days_after_saturday


SATURDAY: Final = 2
"""1970-01-03."""


def state_of(times: int, as_of: int, latest: int) -> str:
    """Return the state, given the latest day on which the next payment may come."""
    if as_of > latest:
        return "stopped"
    return "early" if times < 4 else "mature"


def window_days_of(chain: Sequence[Payment], cadence: Cadence) -> int:
    """Return the number of days by which the next date may be off."""
    return max(2, jitter_of(chain) // 4) if cadence.months else 1


def monthly_amount_of(amount: int, cadence: Cadence) -> int:
    """Return the amount per month."""
    if cadence.months:
        return round(amount / cadence.months)
    return round(amount * (365.25 / 12) / cadence.days)


def confidence_of(chain: Sequence[Payment], cadence: Cadence) -> int:
    """Return the confidence in the stream, in thousandths."""
    excess = max(jitter_of(chain) - (3 if cadence.months else 0), 0)
    many = 1 - 0.5 ** (len(chain) - 1)
    regular = max(1 - excess / (2 * cadence.days), 0.2)
    same = 1 - changes_of(chain) / (len(chain) - 1)
    if is_by_mandate(chain):
        same = 0.7 + 0.3 * same
    return round(1000 * many * regular * max(same, 0.5))


def gaps_of(chain: Sequence[Payment]) -> list[int]:
    """Return the days between consecutive payments."""
    return [b.day - a.day for a, b in pairwise(chain)]


def jitter_of(chain: Sequence[Payment]) -> int:
    """Return the high gap less the low gap."""
    gaps = sorted(gaps_of(chain))
    low, high = ((percent * (len(gaps) - 1) + 50) // 100 for percent in (15, 85))
    return gaps[high] - gaps[low]


def doubled_median(values: Sequence[int]) -> int:
    """Return twice the median, which is a whole number."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] + ordered[-1 - middle]


def month_day(day: int) -> int:
    """Return the day of the month."""
    return civil(day)[2]
