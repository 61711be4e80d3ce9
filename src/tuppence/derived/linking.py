"""The search for chains, for whole batches: at new prices and under new names too.

docs/explanation/streams.md has the exact rules, `chains_reference` follows them in plain Python.
"""

from typing import Any, Final

from tuppence.compiled import loop, part_of_loops
from tuppence.derived.chains import (
    CADENCE_OF,
    FITS,
    MAX_GAP,
    MAX_GAPS,
    MAX_OPEN,
    MAX_RISE,
    MAX_VARIATION,
    MIDDLE,
    MIN_GAPS,
    MIN_PAYMENTS,
    MONTHLY,
    Chains,
    open_chain,
)
from tuppence.derived.dues import MAX_OF_DUES, several_dues
from tuppence.derived.groups import MANDATE, Groups

_MAX_AHEAD: Final = 64
"""Number of later payments of a group among which one may confirm a cadence."""


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
        changes = mandates = 0
        for i in range(start, stop):
            out.after[i] = -1
            mandates += groups.bits[i] & MANDATE
            if i > start:
                changes += abs(groups.sizes[i] - groups.sizes[i - 1])
        if stop - start < MIN_PAYMENTS and mandates == 0:
            continue  # these payments are no stream, nor can one go on under their name
        if changes > 0 and MIN_PAYMENTS <= stop - start <= MAX_OF_DUES:
            found = several_dues(groups, group, changes, number, out)
            if found > 0:
                number += found
                continue
        used = 0
        for i in range(start, stop):
            place, cadence = _best_place(groups, group, i, used, as_of, out.places)
            if place < 0:
                place = used
                if used < MAX_OPEN:
                    used += 1
                else:
                    place = 0
                    for c in range(used):
                        if out.places[1, c] < out.places[1, place]:
                            place = c
                out.places[0, place] = number
                open_chain(out, number, i, group)
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
            if gap > 3 * MAX_GAP or not FITS[cadence, gap]:
                continue
        else:
            if gap > MAX_GAP:
                continue
            cadence = CADENCE_OF[gap]
            if cadence < 0:
                continue
            if cadence < MONTHLY and not _is_confirmed(groups, group, i, cadence, as_of):
                continue
            cost = 200
        cost += abs(gap - MIDDLE[cadence]) * 10 + change * 1000 // before
        if change != 0:
            cost += 500
        if cost < least and (
            change == 0 or not _comes_unchanged(groups, group, i, before, gap, cadence)
        ):
            best, best_cadence, least = place, cadence, cost
    return best, best_cadence


@part_of_loops
def _comes_unchanged(groups: Groups, group: int, i: int, size: int, gap: int, cadence: int) -> bool:
    """Return whether a later payment than one after a gap has a size and comes in the window."""
    latest = groups.days[i] - gap + MAX_GAPS[cadence]
    earliest = groups.days[i] - gap + MIN_GAPS[cadence]
    for after in range(i + 1, min(groups.starts[group + 1], i + 1 + _MAX_AHEAD)):
        if groups.days[after] > latest:
            return False
        if groups.sizes[after] == size and groups.days[after] >= earliest:
            return True
    return False


@part_of_loops
def _is_confirmed(groups: Groups, group: int, i: int, cadence: int, as_of: int) -> bool:
    """Return whether a third payment follows at a cadence, or cannot be known yet."""
    day, size = groups.days[i], groups.sizes[i]
    stop, is_income = groups.starts[group + 1], groups.is_income[group] == 1
    if as_of <= day + MAX_GAPS[cadence]:
        return True
    for after in range(i + 1, min(stop, i + 1 + _MAX_AHEAD)):
        gap = groups.days[after] - day
        if gap > MAX_GAPS[cadence]:
            return False
        varies = is_income or groups.bits[after] & MANDATE != 0
        room = MAX_VARIATION if varies else MAX_RISE
        if gap >= MIN_GAPS[cadence] and abs(groups.sizes[after] - size) * 100 <= size * room:
            return True
    return False


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
                if groups.days[out.first[middle]] < last + MIN_GAPS[cadence]:
                    b = middle + 1
                else:
                    high = middle
            if b == end or groups.days[out.first[b]] > last + MAX_GAPS[cadence]:
                continue
            if b + 1 < end and groups.days[out.first[b + 1]] <= last + MAX_GAPS[cadence]:
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
                    MIN_GAPS[cadence] <= gap <= MAX_GAPS[cadence]
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
