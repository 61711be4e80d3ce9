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
    YEARLY,
    Cadence,
    Chain,
    Group,
    cadence_of,
    groups_of,
    key_of,
    make_chains,
)
from tuppence.derived.payments_reference import Payment, Transaction, find_payments
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
    duplicate: bool
    rise_of_many: int | None
    days: int
    positions: tuple[int, ...]


def find_streams(transactions: Sequence[Transaction], as_of: int) -> list[Stream]:
    """Return the streams of one customer, in the order of the page.

    Args:
        transactions: All transactions of the customer, in the order of the batch.
        as_of: The date.
    """
    payments = find_payments(transactions, as_of)
    groups = groups_of(payments)
    last_paid = {(p.payee, p.is_income): p.day for p in sorted(payments, key=lambda p: p.day)}
    streams = []
    for chain in make_chains(groups, as_of):
        paid = chain.payments
        group = groups[key_of(chain.last)]
        cadence = stream_cadence(paid)
        if (
            cadence is not None
            and has_enough_payments(chain)
            and has_steady_amount(chain, group)
            and not is_habit(paid, cadence, group)
            and not is_still_paid(
                paid, cadence, last_paid[chain.last.payee, chain.last.is_income], as_of
            )
        ):
            streams.append(make_stream(paid, cadence, as_of))
    return marked(sorted(streams, key=lambda s: (s.first_date, s.payee, s.amount, s.positions[0])))


def marked(streams: Sequence[Stream]) -> list[Stream]:
    """Return streams, in order, with a mark on those that duplicate one of the 64 before them."""
    return [
        stream._replace(
            duplicate=any(are_equal(one, stream) for one in streams[max(place - 64, 0) : place])
        )
        for place, stream in enumerate(streams)
    ]


def are_equal(one: Stream, other: Stream) -> bool:
    """Return whether two streams that have not stopped are paid for the same, as far as we know."""
    return (
        "stopped" not in {one.state, other.state}
        and one.kind == other.kind
        and one.payee == other.payee
        and one.cadence == other.cadence
        and one.amount == other.amount
    )


def make_stream(chain: Group, cadence: Cadence, as_of: int) -> Stream:
    """Return a chain of payments as a stream."""
    last, before = chain[-1], chain[-2]
    return Stream(
        kind=kind_of(chain),
        payee=last.payee.name,
        category=last.category,
        cadence=cadence.name,
        state=state_of(chain, cadence, as_of),
        times=len(chain),
        amount=last.size,
        previous_amount=before.size,
        change=last.size - before.size,
        typical_amount=doubled_median([payment.size for payment in chain]) // 2,
        monthly_amount=monthly_amount_of(last.size, cadence),
        first_date=chain[0].day,
        last_date=last.day,
        next_date=next_date_of(chain, cadence),
        window_days=window_days_of(chain, cadence),
        confidence=confidence_of(chain, cadence),
        account=last.account,
        duplicate=False,
        rise_of_many=None,
        days=cadence.days,
        positions=tuple(payment.position for payment in chain),
    )


# -- which chains are streams ----------------------------------------------------------------------


def has_enough_payments(chain: Chain) -> bool:
    """Return whether a chain has three payments, or two by mandate or as one of several dues."""
    return len(chain.payments) >= (2 if chain.is_due or is_by_mandate(chain.payments) else 3)


def stream_cadence(chain: Group) -> Cadence | None:
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


def has_steady_amount(chain: Chain, group: Group) -> bool:
    """Return whether the amount may vary, or changed few times or in small steps."""
    paid = chain.payments
    allowed = 0 if len(paid) == 3 else 1 + len(paid) // 6
    if chain.is_due or may_vary(paid) or changes_of(paid) <= allowed:
        return True
    small = all(20 * abs(b.size - a.size) <= a.size for a, b in pairwise(paid))
    many = len(paid) >= 4 or (len(paid) == 3 and chain.cadence == YEARLY)
    regular = jitter_of(paid) <= 6
    return small and many and regular and len(strangers_of(paid, group)) <= len(paid)


def is_habit(chain: Group, cadence: Cadence, group: Group) -> bool:
    """Return whether the payments are for what is bought now and then in a shop."""
    if may_vary(chain):
        return False
    if cadence.name in {"weekly", "fortnightly"} and is_of_purchases(chain):
        return True
    sizes = [payment.size for payment in chain]
    alike = [p for p in strangers_of(chain, group) if min(sizes) <= p.size <= max(sizes)]
    ever = sum(min(sizes) <= p.size <= max(sizes) for p in group if p not in chain)
    return len(alike) > len(chain) or ever > 3 * len(chain)


def is_still_paid(chain: Group, cadence: Cadence, last_paid: int, as_of: int) -> bool:
    """Return whether the chain is silent, but its payee is not."""
    silence = longest_silence(chain, cadence)
    return as_of > chain[-1].day + silence and as_of <= last_paid + silence


def strangers_of(chain: Group, group: Group) -> list[Payment]:
    """Return the payments of the group that came during the chain and do not belong to it."""
    own = {payment.position for payment in chain}
    days = range(chain[0].day, chain[-1].day + 1)
    return [p for p in group if p.day in days and p.position not in own]


def may_vary(chain: Group) -> bool:
    """Return whether a chain is by mandate or income, whose amounts may vary."""
    return is_by_mandate(chain) or chain[0].is_income


def is_by_mandate(chain: Group) -> bool:
    """Return whether more than half of the payments are by mandate."""
    return 2 * sum(payment.by_mandate for payment in chain) > len(chain)


def is_by_card(chain: Group) -> bool:
    """Return whether more than half of the payments are by card."""
    return 2 * sum(payment.by_card for payment in chain) > len(chain)


def is_of_purchases(chain: Group) -> bool:
    """Return whether more than half of the payments are purchases."""
    return 2 * sum(payment.is_purchase for payment in chain) > len(chain)


def changes_of(chain: Group) -> int:
    """Return the number of times that the amount changed by more than half a percent."""
    return sum(200 * abs(b.size - a.size) > a.size for a, b in pairwise(chain))


# -- fields of streams -----------------------------------------------------------------------------


def kind_of(chain: Group) -> str:
    """Return income, subscription or bill."""
    if chain[0].is_income:
        return "income"
    return "subscription" if is_by_card(chain) else "bill"


def next_date_of(chain: Group, cadence: Cadence) -> int:
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


def longest_silence(chain: Group, cadence: Cadence) -> int:
    """Return the number of days after the last payment in which the next one may still come."""
    latest = next_date_of(chain, cadence) + cadence.days // 2 + window_days_of(chain, cadence)
    return latest - chain[-1].day


def state_of(chain: Group, cadence: Cadence, as_of: int) -> str:
    """Return stopped, early or mature."""
    if as_of > chain[-1].day + longest_silence(chain, cadence):
        return "stopped"
    return "early" if len(chain) < 4 else "mature"


def window_days_of(chain: Group, cadence: Cadence) -> int:
    """Return the number of days by which the next date may be off."""
    return max(2, jitter_of(chain) // 4) if cadence.months else 1


def monthly_amount_of(amount: int, cadence: Cadence) -> int:
    """Return the amount per month, with halves rounded up."""
    times, parts = (1, cadence.months) if cadence.months else (1461, 48 * cadence.days)
    return (2 * amount * times + parts) // (2 * parts)


def confidence_of(chain: Group, cadence: Cadence) -> int:
    """Return the confidence in the stream, in thousandths."""
    excess = max(jitter_of(chain) - (3 if cadence.months else 0), 0)
    many = 1000 - (1000 >> (len(chain) - 1))
    regular = max(1000 - 500 * excess // cadence.days, 200)
    same = 1000 - 1000 * changes_of(chain) // (len(chain) - 1)
    if is_by_mandate(chain):
        same = 700 + 300 * same // 1000
    return many * regular * max(same, 500) // 1_000_000


def gaps_of(chain: Group) -> list[int]:
    """Return the days between consecutive payments."""
    return [b.day - a.day for a, b in pairwise(chain)]


def jitter_of(chain: Group) -> int:
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
