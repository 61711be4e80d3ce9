"""Chains of payments, for whole batches: series in which each seems to follow the one before it.

docs/explanation/streams.md has the exact rules, `chains_reference` follows them in plain Python.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop, part_of_loops
from tuppence.derived.groups import MANDATE, Groups

CADENCES: Final = (
    ("weekly", 7, 6, 8, 0),
    ("fortnightly", 14, 13, 15, 0),
    ("monthly", 30, 25, 36, 1),
    ("every two months", 61, 55, 67, 2),
    ("quarterly", 91, 83, 100, 3),
    ("half-yearly", 182, 174, 192, 6),
    ("yearly", 365, 353, 378, 12),
)
"""Names, days, the minimum and maximum number of days between two payments, and months.

The ranges leave room for weekends, holidays and the lengths of months.
"""
MONTHLY: Final = 2
YEARLY: Final = 6
MAX_VARIATION: Final = 60
"""Maximum percentage by which payments by mandate, and income, may differ from the one before."""
MAX_RISE: Final = 25
"""The same for other payments: a larger difference is another purchase, or a new price."""
MIN_PAYMENTS: Final = 3
"""Minimum number of payments of a stream; by mandate, or one of several dues, one fewer."""
_MAX_OPEN: Final = 16
"""Maximum number of open chains of one group."""
_MAX_AHEAD: Final = 64
"""Number of later payments of a group among which one may confirm a cadence."""
_MAX_OF_DUES: Final = 64
"""Maximum number of payments of a group that is read as several dues."""
_MAX_DUES: Final = 4
_LARGE_DUE: Final = 2**43
_FIRST_DUES: Final = 4
"""The first cadence of several dues: quarterly."""
_FEWEST: Final[Any] = np.array([one[2] for one in CADENCES])
_MOST: Final[Any] = np.array([one[3] for one in CADENCES])
_MIDDLE: Final[Any] = (_FEWEST + _MOST) // 2
_LONGEST: Final = int(_MOST[-1])


def _cadences_of_gaps() -> Any:
    found = np.full(_LONGEST + 1, -1)
    for cadence, (_, _, fewest, most, _) in enumerate(CADENCES):
        found[fewest : most + 1] = cadence
    return found


def _gaps_of_cadences() -> Any:
    """Return whether a gap follows a chain of a cadence, up to two payments being left out."""
    fits = np.zeros((len(CADENCES), 3 * _LONGEST + 1), np.bool_)
    for cadence, (_, _, fewest, most, _) in enumerate(CADENCES):
        for times in (1, 2, 3):
            fits[cadence, times * fewest : times * most + 1] = True
    return fits


CADENCE_OF: Final[Any] = _cadences_of_gaps()
"""Cadence in whose window a gap lies, by days; -1 for none."""
_FITS: Final[Any] = _gaps_of_cadences()


class Chains(NamedTuple):
    """Room for the chains of some customers, those of a group in the order of their first payments.

    Attributes:
        starts: First chain of each group, and the number of all.
        first: First payment of each chain.
        last: Last payment of each chain.
        times: Number of payments of each chain; 0 if it became a part of another.
        cadence: Cadence that the second payment, or the dues, fixed; -1 for none.
        is_due: 1 for one of several dues.
        group: Group of the first payment of each chain.
        last_group: Group of the last payment of each chain.
        after: Payment of the same chain after each payment; -1 for none.
        follower: Chain that continues each chain; -1 for none.
        leader: Chain that each chain continues; -1 for none, -2 for several.
        link: Room for the next chain in the list of each chain.
        lists: Room for the first chain of each list of chains that begin with one size.
        places: Room for the open chains of a group: chain, last day, last size and cadence.
    """

    starts: Any
    first: Any
    last: Any
    times: Any
    cadence: Any
    is_due: Any
    group: Any
    last_group: Any
    after: Any
    follower: Any
    leader: Any
    link: Any
    lists: Any
    places: Any


def room_for_chains(groups: Groups) -> Chains:
    """Return room for the chains of any chunk of groups."""
    most = len(groups.rows)
    made = (np.zeros(most, np.int64) for _ in range(12))
    lists = np.full(len(groups.table), -1, np.int64)
    return Chains._make((*made, lists, np.zeros((4, _MAX_OPEN), np.int64)))


def find_chains(groups: Groups, customers: int, as_of: int, out: Chains) -> None:
    """Write the chains of some customers, at new prices and under new names too, to `out`."""
    _link(groups, customers, as_of, out)
    _join_prices(groups, customers, out)
    _join_names(groups, customers, out)


@loop
def _link(groups: Groups, customers: int, as_of: int, out: Chains) -> None:
    """Write the chains of each group: as several dues, or else one by one."""
    number = 0
    for group in range(groups.of_customer[customers]):
        out.starts[group] = number
        start, stop = groups.starts[group], groups.starts[group + 1]
        changes = 0
        for i in range(start, stop):
            out.after[i] = -1
            if i > start:
                changes += abs(groups.sizes[i] - groups.sizes[i - 1])
        if changes > 0 and MIN_PAYMENTS <= stop - start <= _MAX_OF_DUES:
            found = _dues(groups, group, changes, number, out)
            if found > 0:
                number += found
                continue
        used = 0
        for i in range(start, stop):
            place, cadence = _best_place(groups, group, i, used, as_of, out.places)
            if place < 0:
                place = used
                if used < _MAX_OPEN:
                    used += 1
                else:
                    place = 0
                    for c in range(used):
                        if out.places[1, c] < out.places[1, place]:
                            place = c
                out.places[0, place] = number
                _open(out, number, i, group)
                number += 1
            else:
                chain = out.places[0, place]
                out.after[out.last[chain]] = i
                out.last[chain] = i
                out.times[chain] += 1
                out.cadence[chain] = cadence
            out.places[1, place] = groups.days[i]
            out.places[2, place] = groups.sizes[i]
            out.places[3, place] = cadence
    out.starts[groups.of_customer[customers]] = number


@part_of_loops
def _best_place(
    groups: Groups, group: int, i: int, used: int, as_of: int, places: Any
) -> tuple[int, int]:
    """Return the place of the chain that a payment joins, and its cadence; -1 for none."""
    day, size = groups.days[i], groups.sizes[i]
    varies = groups.is_income[group] == 1 or groups.bits[i] & MANDATE != 0
    room = MAX_VARIATION if varies else MAX_RISE
    best, best_cadence, least = -1, -1, 1 << 60
    for place in range(used):
        before = places[2, place]
        change = abs(size - before)
        if change * 100 > before * room:  # amounts are below TOO_LARGE: it fits
            continue
        gap = day - places[1, place]
        cadence = places[3, place]
        cost = 0
        if cadence >= 0:
            if gap > 3 * _LONGEST or not _FITS[cadence, gap]:
                continue
        else:
            if gap > _LONGEST:
                continue
            cadence = CADENCE_OF[gap]
            if cadence < 0:
                continue
            if cadence < MONTHLY and not _is_confirmed(groups, group, i, cadence, as_of):
                continue
            cost = 200
        cost += abs(gap - _MIDDLE[cadence]) * 10 + change * 1000 // before
        if change != 0:
            cost += 500
        if cost < least:
            best, best_cadence, least = place, cadence, cost
    return best, best_cadence


@part_of_loops
def _open(out: Chains, chain: int, payment: int, group: int) -> None:
    """Write a chain of one payment."""
    out.first[chain] = payment
    out.last[chain] = payment
    out.times[chain] = 1
    out.cadence[chain] = -1
    out.is_due[chain] = 0
    out.group[chain] = group
    out.last_group[chain] = group


@part_of_loops
def _is_confirmed(groups: Groups, group: int, i: int, cadence: int, as_of: int) -> bool:
    """Return whether a third payment follows at a cadence, or cannot be known yet."""
    day, size = groups.days[i], groups.sizes[i]
    stop, is_income = groups.starts[group + 1], groups.is_income[group] == 1
    if as_of <= day + _MOST[cadence]:
        return True
    for after in range(i + 1, min(stop, i + 1 + _MAX_AHEAD)):
        gap = groups.days[after] - day
        if gap > _MOST[cadence]:
            return False
        varies = is_income or groups.bits[after] & MANDATE != 0
        room = MAX_VARIATION if varies else MAX_RISE
        if gap >= _FEWEST[cadence] and abs(groups.sizes[after] - size) * 100 <= size * room:
            return True
    return False


@part_of_loops
def _dues(groups: Groups, group: int, alone: int, number: int, out: Chains) -> int:
    """Write a group as chains of several dues from `number` on; return how many, 0 for none.

    Args:
        groups: The groups.
        group: The group.
        alone: Sum of the changes from each payment of the group to the next.
        number: Number of the first chain.
        out: The chains; `after` holds -1.
    """
    start, stop = groups.starts[group], groups.starts[group + 1]
    for i in range(start, stop):
        if groups.sizes[i] >= _LARGE_DUE:
            return 0
    for cadence in range(_FIRST_DUES, len(_FEWEST)):
        opening = 0
        while (
            start + opening < stop
            and groups.days[start + opening] < groups.days[start] + _FEWEST[cadence]
        ):
            opening += 1
        if opening > _MAX_DUES:
            return 0
        joined = stop - start - opening
        if opening < 2 or joined == 0:
            continue
        for i in range(opening):
            _open(out, number + i, start + i, group)
        changes, unchanged = _assign(groups, start + opening, stop, cadence, number, opening, out)
        if (
            changes >= 0
            and (1 if cadence == YEARLY else 2) * changes * (stop - start - 1) <= alone * joined
            and (
                (joined > 1 and 2 * unchanged >= joined)
                or not _is_regular(groups.days, start, stop)
            )
        ):
            for chain in range(number, number + opening):
                out.is_due[chain] = joined >= MIN_PAYMENTS
                out.cadence[chain] = cadence if out.times[chain] > 1 else -1
            return opening
        for i in range(start, stop):
            out.after[i] = -1
    return 0


@part_of_loops
def _assign(
    groups: Groups, start: int, stop: int, cadence: int, number: int, opening: int, out: Chains
) -> tuple[int, int]:
    """Add payments to the chains of dues; return the sum of changes and how many are unchanged.

    The sum is -1 if a payment fits none of the chains.
    """
    changes, unchanged = 0, 0
    for i in range(start, stop):
        best, least, best_change = -1, 1 << 60, 0
        for chain in range(number, number + opening):
            before = groups.sizes[out.last[chain]]
            gap = groups.days[i] - groups.days[out.last[chain]]
            change = abs(groups.sizes[i] - before)
            if gap < _FEWEST[cadence] or gap > _MOST[cadence] or change * 4 > before:
                continue
            cost = abs(gap - _MIDDLE[cadence]) * 10 + change * 1000 // before
            if cost < least:
                best, least, best_change = chain, cost, change
        if best < 0:
            return -1, 0
        changes += best_change
        unchanged += best_change == 0
        out.after[out.last[best]] = i
        out.last[best] = i
        out.times[best] += 1
    return changes, unchanged


@part_of_loops
def _is_regular(days: Any, start: int, stop: int) -> bool:
    """Return whether all gaps from each payment to the next lie in the window of one cadence."""
    for i in range(start + 1, stop):
        gap, first = days[i] - days[i - 1], days[start + 1] - days[start]
        if max(gap, first) > _LONGEST or CADENCE_OF[gap] != CADENCE_OF[first]:
            return False
    return bool(CADENCE_OF[days[start + 1] - days[start]] >= 0)


@loop
def _join_prices(groups: Groups, customers: int, out: Chains) -> None:
    """Join the chains of a group that continue each other at a new price."""
    for group in range(groups.of_customer[customers]):
        begin, end = out.starts[group], out.starts[group + 1]
        for chain in range(begin, end):
            out.follower[chain] = out.leader[chain] = -1
        if end - begin < 2:
            continue
        count = groups.starts[group + 1] - groups.starts[group]
        for a in range(begin, end):
            cadence = out.cadence[a]
            if cadence < 0:
                continue
            last = groups.days[out.last[a]]
            b, high = a + 1, end
            while b < high:  # the first chain that does not begin too early
                middle = (b + high) // 2
                if groups.days[out.first[middle]] < last + _FEWEST[cadence]:
                    b = middle + 1
                else:
                    high = middle
            if b == end or groups.days[out.first[b]] > last + _MOST[cadence]:
                continue
            if b + 1 < end and groups.days[out.first[b + 1]] <= last + _MOST[cadence]:
                continue
            if out.cadence[b] >= 0 and out.cadence[b] != cadence:
                continue
            if out.times[b] < MIN_PAYMENTS:
                old, new = groups.sizes[out.last[a]], groups.sizes[out.first[b]]
                others = count - out.times[a] - out.times[b]
                if out.times[a] < MIN_PAYMENTS or others >= out.times[a]:
                    continue
                if max(old, new) > 2 * min(old, new):
                    continue
            out.follower[a] = b
            out.leader[b] = a if out.leader[b] == -1 else -2
        _join(out, begin, end)


@loop
def _join_names(groups: Groups, customers: int, out: Chains) -> None:
    """Join the chains of a customer that continue each other under another name."""
    mask = len(out.lists) - 1
    for customer in range(customers):
        begin = out.starts[groups.of_customer[customer]]
        end = out.starts[groups.of_customer[customer + 1]]
        for chain in range(begin, end):
            out.follower[chain] = out.leader[chain] = -1
            by_mandate = groups.bits[out.first[chain]] & MANDATE != 0
            if out.times[chain] >= MIN_PAYMENTS or (out.times[chain] > 0 and by_mandate):
                place = groups.sizes[out.first[chain]] & mask
                out.link[chain] = out.lists[place]
                out.lists[place] = chain
        for a in range(begin, end):
            size = groups.sizes[out.last[a]]
            if out.times[a] < MIN_PAYMENTS or groups.sizes[out.first[a]] != size:
                continue
            cadence, b = out.cadence[a], out.lists[size & mask]
            while b >= 0:
                gap = groups.days[out.first[b]] - groups.days[out.last[a]]
                if (
                    _FEWEST[cadence] <= gap <= _MOST[cadence]
                    and _is_renamed(groups, out.first[a], out.first[b])
                    and groups.sizes[out.first[b]] == size
                    and groups.accounts[out.group[a]] == groups.accounts[out.group[b]]
                    and groups.is_income[out.group[a]] == groups.is_income[out.group[b]]
                    and out.group[a] != out.group[b]
                ):
                    out.follower[a] = b if out.follower[a] == -1 else -2
                    out.leader[b] = a if out.leader[b] == -1 else -2
                b = out.link[b]
        for chain in range(begin, end):
            out.lists[groups.sizes[out.first[chain]] & mask] = -1
        _join(out, begin, end)


@part_of_loops
def _is_renamed(groups: Groups, a: int, b: int) -> bool:
    """Return whether both or neither of two payments are by mandate."""
    return bool((groups.bits[a] ^ groups.bits[b]) & MANDATE == 0)


@part_of_loops
def _join(out: Chains, begin: int, end: int) -> None:
    """Join each chain with the one that continues it, if neither may be joined with others."""
    for chain in range(begin, end):
        before = out.leader[chain]
        if before >= 0 and out.follower[before] == chain:
            continue  # it is joined to the chain before
        after = out.follower[chain]
        end_of = chain
        while after >= 0 and out.leader[after] == end_of:
            out.after[out.last[chain]] = out.first[after]
            out.last[chain] = out.last[after]
            out.last_group[chain] = out.last_group[after]
            out.times[chain] += out.times[after]
            out.times[after] = 0
            end_of = after
            after = out.follower[after]
