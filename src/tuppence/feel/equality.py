"""When two FEEL values are equal (DMN 1.5, 10.3.2.7 and table 53)."""

from typing import Any

from tuppence.feel.budget import Budget, comparison_steps, extent, nest
from tuppence.feel.values import (
    SECOND_NANOSECONDS,
    DateTime,
    Range,
    Time,
    local_nanoseconds,
)


def equal(left: Any, right: Any, budget: Budget, depth: int = 0) -> bool | None:
    """True or false, or None where the values are of kinds that cannot be compared.

    Raises:
        OutOfBudget: There is more to compare than the budget allows.
    """
    budget.spend(comparison_steps(left))
    if left is None or right is None:
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        nest(depth)
        return len(left) == len(right) and all(
            equal(a, b, budget, depth + 1) is True for a, b in zip(left, right, strict=True)
        )
    if type(left) is not type(right):
        return None
    if isinstance(left, Time | DateTime):
        a, b = instants(left, right)
        return (
            None if a is None or b is None else a // SECOND_NANOSECONDS == b // SECOND_NANOSECONDS
        )
    if isinstance(left, dict):
        nest(depth)
        budget.spend(extent(left))
        return left.keys() == right.keys() and all(
            equal(value, right[name], budget, depth + 1) is True for name, value in left.items()
        )
    if isinstance(left, Range):
        nest(depth)
        return left[2:] == right[2:] and all(
            equal(a, b, budget, depth + 1) is True for a, b in zip(left[:2], right[:2], strict=True)
        )
    return bool(left == right)


def instants(left: Time | DateTime, right: Time | DateTime) -> tuple[int | None, int | None]:
    """Both on one clock, in nanoseconds: UTC where both know it, else the local one.

    None for both where one knows its offset and the other does not. Times in zones have no offset
    without a day, and are compared within one zone only.
    """
    clocks = [
        value.nanosecond if isinstance(value, Time) else local_nanoseconds(value)
        for value in (left, right)
    ]
    if left.offset is None and right.offset is None:
        return (clocks[0], clocks[1]) if left.zone == right.zone else (None, None)
    if left.offset is None or right.offset is None:
        return None, None
    offsets = (left.offset, right.offset)
    utc = [clock - o * SECOND_NANOSECONDS for clock, o in zip(clocks, offsets, strict=True)]
    return utc[0], utc[1]
