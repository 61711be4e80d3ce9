"""The choice of the chains that are streams, and what is measured of them, for whole batches.

docs/explanation/streams.md has the exact rules, `streams_reference` follows them in plain Python.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop, part_of_loops, sort
from tuppence.derived.calendar import month_after, month_day
from tuppence.derived.chains import CADENCE_OF, CADENCES, MIN_PAYMENTS, MONTHLY, YEARLY, Chains
from tuppence.derived.groups import CARD, MANDATE, PURCHASE, Groups

MIN_MATURE: Final = 4
"""Minimum number of payments of a mature stream; with fewer it is early."""
MAX_ALIKE: Final = 3
"""Maximum number of other payments of the sizes of a stream, per payment of it."""
MAX_JITTER: Final = 6
"""Maximum jitter of a stream whose amount changes in small steps."""
STATES: Final = ("early", "mature", "stopped")
KINDS: Final = ("bill", "income", "subscription")
STOPPED: Final = STATES.index("stopped")
INCOME: Final = KINDS.index("income")
NAMES: Final = (*(one[0] for one in CADENCES), "four-weekly")
_FOUR_WEEKLY: Final = len(CADENCES)
DAYS: Final = np.array([*(one[1] for one in CADENCES), 28])
MONTHS: Final = np.array([*(one[4] for one in CADENCES), 0])
_SATURDAY: Final = 2
"""1970-01-03."""
COLUMNS: Final = (
    *("customer", "kind", "payee", "category", "cadence", "state", "times", "amount"),
    *("previous amount", "change", "typical amount", "monthly amount", "first date", "last date"),
    *("next date", "window days", "confidence", "account", "first row"),
)
"""Columns of `Measures.streams`."""


class Measures(NamedTuple):
    """Arrays that receive the measures of chains.

    Attributes:
        streams: The columns of `COLUMNS`, a row each stream.
        payments: Payments of a chain.
        sizes: Their sizes, ascending.
        gaps: Days between them, ascending.
        month_days: Days of the month, ascending.
        owner: Number of the last chain that was measured with each payment of the chunk.
        counts: Number of measured chains, and of streams.
    """

    streams: Any
    payments: Any
    sizes: Any
    gaps: Any
    month_days: Any
    owner: Any
    counts: Any


@loop
def measure(
    groups: Groups,
    chains: Chains,
    first: int,
    customers: int,
    as_of: int,
    out: Measures,
    number: int,
    of_row: Any,
) -> None:
    """Write the chains that are streams, and the number of the stream of each of their payments.

    One function because each check of a chain needs what those before it have measured, and a
    compiled function cannot return so many values cheaply.

    Args:
        groups: The payments of some customers.
        chains: Their chains.
        first: Number of the first customer.
        customers: Number of customers.
        as_of: The date.
        out: Written to.
        number: Number of the first stream.
        of_row: The stream of each row, which holds -1.
    """
    for customer in range(customers):
        group = groups.of_customer[customer]
        end = groups.of_customer[customer + 1]
        for chain in range(chains.starts[group], chains.starts[end]):
            n = chains.times[chain]
            if n < MIN_PAYMENTS and (n < 2 or not _may_be_two(groups, chains, chain)):
                continue
            income = groups.is_income[chains.group[chain]] == 1
            mandates, cards, purchases, changes, steps = _read(groups, chains, chain, out)
            mandate, card = 2 * mandates > n, 2 * cards > n
            may_step = steps == 0 and (n > MIN_PAYMENTS or chains.cadence[chain] == YEARLY)
            varies = mandate or income or chains.is_due[chain] == 1 or may_step
            if not varies and changes > _rises(n):
                continue
            cadence = _cadence(groups, n, out)
            if cadence < 0:
                continue
            jitter = out.gaps[(85 * (n - 2) + 50) // 100] - out.gaps[(15 * (n - 2) + 50) // 100]
            if not mandate and not income:
                if cadence < MONTHLY and 2 * purchases > n:
                    continue
                may_step &= jitter <= MAX_JITTER
                if not _is_chosen(groups, chains, chain, n, changes, may_step, out):
                    continue
            months = MONTHS[cadence]
            window = max(2, jitter // 4) if months > 0 else 1
            last = groups.days[chains.last[chain]]
            due = _due(last, n, cadence, income, out)
            silence = due + DAYS[cadence] // 2 + window - last
            if as_of > last + silence:
                payee = groups.payees[chains.last_group[chain]]
                paid = _last_paid(groups, group, end, payee, groups.is_income[chains.group[chain]])
                if as_of <= paid + silence:
                    continue
                state = STOPPED
            else:
                state = 0 if n < MIN_MATURE else 1
            row = out.streams[out.counts[1]]
            row[0] = first + customer
            row[1] = INCOME if income else 2 if card else 0
            row[5] = state
            row[13], row[14], row[15] = last, due, window
            same = 1000 - 1000 * changes // (n - 1)
            if mandate:
                same = 700 + 300 * same // 1000
            _write(groups, chains, chain, n, cadence, jitter, same, row, out)
            for i in range(n):
                of_row[groups.rows[out.payments[i]]] = number + out.counts[1]
            out.counts[1] += 1


@part_of_loops
def _may_be_two(groups: Groups, chains: Chains, chain: int) -> bool:
    """Return whether a chain of two payments is by mandate, or a due."""
    bits = groups.bits[chains.first[chain]] & groups.bits[chains.last[chain]]
    return bool(bits & MANDATE != 0 or chains.is_due[chain] == 1)


@part_of_loops
def _rises(n: int) -> int:
    """Return how many times a steady amount may change in n payments."""
    return 0 if n == MIN_PAYMENTS else 1 + n // 6


@part_of_loops
def _read(
    groups: Groups, chains: Chains, chain: int, out: Measures
) -> tuple[int, int, int, int, int]:
    """Read the payments of a chain: how many are by mandate, by card, purchases, and changed.

    The last is the number of changes by more than five percent.
    """
    out.counts[0] += 1
    mandates = cards = purchases = changes = steps = n = 0
    before = chains.first[chain]
    i = before
    while i >= 0:
        bits = groups.bits[i]
        mandates += bits & MANDATE != 0
        cards += bits & CARD != 0
        purchases += bits & PURCHASE != 0
        out.payments[n] = i
        out.owner[i] = out.counts[0]
        out.sizes[n] = groups.sizes[i]
        if n > 0:
            size = groups.sizes[before]
            change = abs(groups.sizes[i] - size)
            changes += 200 * change > size
            steps += 20 * change > size
            out.gaps[n - 1] = groups.days[i] - groups.days[before]
        n += 1
        before = i
        i = chains.after[i]
    return mandates, cards, purchases, changes, steps


@part_of_loops
def _cadence(groups: Groups, n: int, out: Measures) -> int:
    """Return the cadence of the median gap, -1 for none.

    It also sorts the gaps and the days of the month.
    """
    sort(out.gaps, 0, n - 1)
    doubled = out.gaps[(n - 1) // 2] + out.gaps[n - 2 - (n - 1) // 2]
    if doubled > 2 * (len(CADENCE_OF) - 1):
        return -1
    cadence = CADENCE_OF[doubled // 2]
    if cadence < 0 or CADENCE_OF[(doubled + 1) // 2] != cadence:
        return -1
    weekday = groups.days[out.payments[0]] % 7
    one_weekday = True
    for i in range(n):
        day = groups.days[out.payments[i]]
        out.month_days[i] = month_day(day)
        one_weekday &= day % 7 == weekday
    sort(out.month_days, 0, n)
    if doubled == 2 * 28 and one_weekday and out.month_days[n - 1] - out.month_days[0] > 6:
        return _FOUR_WEEKLY
    return int(cadence)


@part_of_loops
def _is_chosen(
    groups: Groups,
    chains: Chains,
    chain: int,
    n: int,
    changes: int,
    may_step: bool,
    out: Measures,
) -> bool:
    """Return whether a chain, neither by mandate nor income, is steady and no habit."""
    any_size, alike, ever = _strangers(groups, chains, chain, n, out)
    if alike > n or ever > MAX_ALIKE * n:
        return False
    if chains.is_due[chain] == 1 or changes <= _rises(n):
        return True
    return bool(may_step and any_size <= n)


@part_of_loops
def _strangers(
    groups: Groups, chains: Chains, chain: int, n: int, out: Measures
) -> tuple[int, int, int]:
    """Return how many strangers a chain has, how many of its sizes, and how many of these ever.

    It stops where the last shows a habit, and sorts the sizes.
    """
    sort(out.sizes, 0, n)
    smallest, largest = out.sizes[0], out.sizes[n - 1]
    group = chains.last_group[chain]
    first, last = groups.days[chains.first[chain]], groups.days[chains.last[chain]]
    any_size = alike = ever = 0
    for i in range(groups.starts[group], groups.starts[group + 1]):
        if out.owner[i] == out.counts[0]:
            continue
        is_alike = smallest <= groups.sizes[i] <= largest
        ever += is_alike
        if first <= groups.days[i] <= last:
            any_size += 1
            alike += is_alike
        if ever > MAX_ALIKE * n:
            break
    return any_size, alike, ever


@part_of_loops
def _due(last: int, n: int, cadence: int, income: bool, out: Measures) -> int:
    """Return the next date."""
    if MONTHS[cadence] > 0:
        usual = (out.month_days[n // 2] + out.month_days[n - 1 - n // 2]) // 2
        start = month_after(last, MONTHS[cadence])
        due = start + min(usual, month_after(start, 1) - start) - 1
    else:
        due = last + DAYS[cadence]
    days = (due - _SATURDAY) % 7
    if days > 1:
        return int(due)
    return int(due - 1 - days if income else due + 2 - days)


@part_of_loops
def _last_paid(groups: Groups, begin: int, end: int, payee: int, is_income: int) -> int:
    """Return the day of a customer's last payment to a payee, or from it, over all accounts."""
    found = -(1 << 40)
    for group in range(begin, end):
        if groups.payees[group] == payee and groups.is_income[group] == is_income:
            found = max(found, groups.days[groups.starts[group + 1] - 1])
    return found


@part_of_loops
def _write(
    groups: Groups,
    chains: Chains,
    chain: int,
    n: int,
    cadence: int,
    jitter: int,
    same: int,
    row: Any,
    out: Measures,
) -> None:
    """Write the other fields of a stream."""
    sort(out.sizes, 0, n)
    last, before = chains.last[chain], out.payments[n - 2]
    amount, months, days = groups.sizes[last], MONTHS[cadence], DAYS[cadence]
    group = chains.last_group[chain]
    row[2] = groups.payees[group]
    row[3] = groups.rows[last]  # read as the category of this row
    row[4] = cadence
    row[6] = n
    row[7] = amount
    row[8] = groups.sizes[before]
    row[9] = amount - groups.sizes[before]
    row[10] = (out.sizes[n // 2] + out.sizes[n - 1 - n // 2]) // 2
    times, parts = (1, months) if months > 0 else (1461, 48 * days)
    whole = amount * times // parts
    row[11] = whole + (2 * (amount * times - whole * parts) >= parts)
    row[12] = groups.days[chains.first[chain]]
    many = 1000 - (1000 >> min(n - 1, 10))
    excess = max(jitter - (3 if months > 0 else 0), 0)
    regular = max(1000 - 500 * excess // days, 200)
    row[16] = many * regular * max(same, 500) // 1_000_000
    row[17] = groups.accounts[group]
    row[18] = groups.rows[chains.first[chain]]
