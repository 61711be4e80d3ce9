"""The exact chance that a card is shown at a place, without sampling.

A card with Gumbel noise is at place k if k groups beat it. Given the card's key, groups beat it
independently, so the chance is an integral over the key of the card's density times a
Poisson-binomial probability. Fixed cards, tiers and groups are included. The trapezoid rule in
steps of a half is exact to about 1e-6, since the integrand is smooth and vanishes at both ends.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop, part_of_loops
from tuppence.relevance.ranking import Deck

Array = npt.NDArray[Any]

_STEP: Final = 0.5
_FARTHEST: Final = -600.0
"""Distance in temperatures from the best card at which all others are alike: e^709 is too large."""
_BELOW, _ABOVE = 4.0, 18.0
"""Distance at which the density of the least, and of the greatest, key no longer counts."""


def chances(deck: Deck, temperature: int, places: int) -> Array:
    """Return the chance of each card at each place of its feed.

    Args:
        deck: The cards.
        temperature: Points by which the noise was multiplied; more than none.
        places: Maximum number of cards of a feed.
    """
    found = np.zeros((len(deck.tier), places))
    longest = int(np.diff(deck.starts).max(initial=0))
    room = np.zeros((4, max(longest, places) + 1))
    marks = np.zeros((4, longest + 1), np.int64)
    _chances(*deck, float(temperature), room, marks, found)
    return found


@part_of_loops
def _place_fixed(first: int, last: int, deck: Any, marks: Any, found: Any) -> int:
    """Place the fixed cards, and return their number.

    Marks the group of each placed card.
    """
    tier, group, fixed, points, rule = deck
    count = 0
    while count < found.shape[1]:
        best = -1
        for i in range(first, last):
            taken = not fixed[i]
            for j in range(count):
                taken = taken or marks[0][j] == group[i]
            if taken:
                continue
            if best >= 0:
                if tier[i] > tier[best]:
                    continue
                if tier[i] == tier[best]:
                    if points[i] < points[best]:
                        continue
                    if points[i] == points[best] and rule[i] > rule[best]:
                        continue
            best = i
        if best < 0:
            break
        found[best][count] = 1.0
        marks[0][count] = group[best]
        count += 1
    return count


@part_of_loops
def _gather(
    first: int, last: int, count: int, deck: Any, best: float, scale: float, marks: Any, weight: Any
) -> int:
    """Collect the groups of drawn cards with the tier and the weight of each; return their number.

    Where a group is in two tiers, only its first tier counts. Groups of fixed cards, which are the
    first `count` marks, are left out.
    """
    tier, group, fixed, points, _ = deck
    groups = count
    for i in range(first, last):
        if fixed[i]:
            continue
        at = -1
        for j in range(groups):
            if marks[0][j] == group[i]:
                at = j
        if 0 <= at < count:
            continue
        if at < 0:
            at = groups
            groups += 1
            marks[0][at] = group[i]
            marks[1][at] = tier[i]
            weight[at] = 0.0
        if tier[i] < marks[1][at]:
            marks[1][at] = tier[i]
            weight[at] = 0.0
        if tier[i] == marks[1][at]:
            weight[at] += np.exp(max((points[i] - best) / scale, _FARTHEST))
    return groups


@part_of_loops
def _above(i: int, count: int, groups: int, deck: Any, marks: Any) -> tuple[int, int]:
    """Return the group of a drawn card, and the number of groups that are above it for certain.

    The group is -1 for a card that cannot be shown, as its group is in an earlier tier.
    """
    tier, group, fixed, _, _ = deck
    own, above = -1, count
    if fixed[i]:
        return own, above
    for j in range(count, groups):
        if marks[0][j] == group[i]:
            if marks[1][j] == tier[i]:
                own = j
        elif marks[1][j] < tier[i]:
            above += 1
    return own, above


@loop
def _chances(
    starts: Any,
    tier: Any,
    group: Any,
    fixed: Any,
    points: Any,
    rule: Any,
    scale: float,
    room: Any,
    marks: Any,
    found: Any,
) -> None:
    """Write the chance of each card at each place."""
    weight, unbeaten, at_place, own_weight = room[0], room[1], room[2], room[3]
    own, above = marks[2], marks[3]
    places = found.shape[1]
    deck = (tier, group, fixed, points, rule)
    for feed in range(len(starts) - 1):
        first, last = starts[feed], starts[feed + 1]
        count = _place_fixed(first, last, deck, marks, found)
        best, least = -1e300, 1e300
        for i in range(first, last):
            if not fixed[i]:
                best = max(best, float(points[i]))
                least = min(least, float(points[i]))
        if best < least or count >= places:
            continue
        groups = _gather(first, last, count, deck, best, scale, marks, weight)
        for i in range(first, last):
            own[i - first], above[i - first] = _above(i, count, groups, deck, marks)
            own_weight[i - first] = np.exp(max((points[i] - best) / scale, _FARTHEST))
        low = max((least - best) / scale, _FARTHEST) - _BELOW
        for step in range(int((_ABOVE - low) / _STEP) + 1):
            shrink = np.exp(-(low + step * _STEP))
            for j in range(count, groups):
                unbeaten[j] = np.exp(-weight[j] * shrink)
            for i in range(first, last):
                mine, start = own[i - first], above[i - first]
                if mine < 0 or start >= places:
                    continue
                density = _STEP * own_weight[i - first] * shrink * unbeaten[mine]
                if density < 1e-14:
                    continue
                for k in range(start, places):
                    at_place[k] = 0.0
                at_place[start] = 1.0
                for j in range(count, groups):
                    if j == mine or marks[1][j] != tier[i]:
                        continue
                    beats = 1.0 - unbeaten[j]
                    for k in range(places - 1, start, -1):
                        at_place[k] = at_place[k] * unbeaten[j] + at_place[k - 1] * beats
                    at_place[start] *= unbeaten[j]
                for k in range(start, places):
                    found[i][k] += density * at_place[k]
