"""Equality of FEEL values (DMN 1.5, 10.3.2.7 and table 53)."""

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
    """Return whether two values are equal, or None if their types cannot be compared.

    Raises:
        OutOfBudget: The comparison takes more steps than are left.
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
    """Return both in nanoseconds on one clock: UTC if both have an offset, else the local clock.

    Both are None if only one has an offset. Times in a zone have no offset without a day, and can
    be compared only within the same zone.
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
