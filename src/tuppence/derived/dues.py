"""Several dues of one payee, such as policies of one insurer, each of which recurs by itself.

docs/explanation/streams.md has the exact rules, `chains_reference` follows them in plain Python.
"""

from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.derived.chains import (
    CADENCE_OF,
    MAX_GAP,
    MAX_GAPS,
    MIDDLE,
    MIN_GAPS,
    MIN_PAYMENTS,
    YEARLY,
    Chains,
    open_chain,
)
from tuppence.derived.groups import Groups

MAX_OF_DUES: Final = 64
"""Maximum number of payments of a group that is read as several dues."""
_MAX_DUES: Final = 4
_LARGE_DUE: Final = 2**43
_FIRST_DUES: Final = 4
"""The first cadence of several dues: quarterly."""


@part_of_loops
def several_dues(groups: Groups, group: int, alone: int, number: int, out: Chains) -> int:
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
    for cadence in range(_FIRST_DUES, len(MIN_GAPS)):
        opening = 0
        while (
            start + opening < stop
            and opening <= _MAX_DUES
            and groups.days[start + opening] < groups.days[start] + MIN_GAPS[cadence]
        ):
            opening += 1
        if opening > _MAX_DUES:
            return 0
        joined = stop - start - opening
        if opening < 2 or joined == 0:
            continue
        for i in range(opening):
            open_chain(out, number + i, start + i, group)
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
                out.is_due[chain] = joined >= MIN_PAYMENTS and cadence == YEARLY
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
            if gap < MIN_GAPS[cadence] or gap > MAX_GAPS[cadence] or change * 4 > before:
                continue
            cost = abs(gap - MIDDLE[cadence]) * 10 + change * 1000 // before
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
        if max(gap, first) > MAX_GAP or CADENCE_OF[gap] != CADENCE_OF[first]:
            return False
    return bool(CADENCE_OF[days[start + 1] - days[start]] >= 0)
