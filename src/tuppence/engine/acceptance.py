"""Tells which predicates of a dimension accept which values, as tables of values by predicates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tuppence.facts.batch import NULL_MONEY
from tuppence.feel.values import Date
from tuppence.plan.columns import Dimension
from tuppence.plan.predicates import Conjunction, IntervalSet, OneOf, OverflowGuard

Array = npt.NDArray[Any]


def of_relations(dimension: Dimension) -> Array:
    """Return, for each relation and predicate, whether the predicate accepts the relation."""
    return np.array(
        [[predicate.holds(r) for predicate in dimension.predicates] for r in range(4)], bool
    )


def of_texts(dimension: Dimension, values: Sequence[Any]) -> Array:
    """Return, for each text or boolean and predicate, whether the predicate accepts the value."""
    holds = np.zeros((len(values), len(dimension.predicates)), bool)
    mentions: dict[Any, list[int]] = {}
    for i, predicate in enumerate(dimension.predicates):
        if isinstance(predicate, OneOf):
            holds[:, i] = predicate.others
            for value in predicate.values:
                mentions.setdefault(value, []).append(i)
        else:
            holds[:, i] = [predicate.holds(value) for value in values]
    for place, value in enumerate(values):
        if value in mentions:
            holds[place, mentions[value]] ^= True
    return holds


def of_days(dimension: Dimension, low: int, size: int) -> Array:
    """Return, for each day and predicate, whether the predicate accepts it; null comes first."""
    days = np.arange(low, low + size)
    holds = np.zeros((size, len(dimension.predicates)), bool)
    for i, predicate in enumerate(dimension.predicates):
        if isinstance(predicate, IntervalSet):
            for start, end in predicate.whole(0):
                first = 0 if start is None else max(start - low, 0)
                last = size if end is None else max(end - low + 1, 0)
                holds[first:last, i] = True
            holds[0, i] = predicate.null
        else:
            holds[1:, i] = [predicate.holds(Date(int(day))) for day in days[1:]]
            holds[0, i] = predicate.holds(None)
    return holds


def of_values(dimension: Dimension, decimals: int, values: Sequence[Any]) -> Array:
    """Return, for each value of a number and predicate, whether the predicate accepts the value."""
    counted = [None if value is None else value.scaleb(decimals) for value in values]
    return np.array(
        [
            [
                predicate.holds(units if isinstance(predicate, OverflowGuard) else value)
                for predicate in dimension.predicates
            ]
            for value, units in zip(values, counted, strict=True)
        ],
        bool,
    ).reshape(len(values), len(dimension.predicates))


def boundaries(dimension: Dimension, decimals: int, nullable: bool) -> Array:
    """Return the numbers at which classes begin, in ascending order."""
    found = {NULL_MONEY + 1} if nullable else set[int]()
    for predicate in dimension.predicates:
        for part in predicate.parts if isinstance(predicate, Conjunction) else (predicate,):
            assert isinstance(part, IntervalSet | OverflowGuard)  # noqa: S101
            for low, high in part.whole(decimals):
                found.update(() if low is None else (low,))
                found.update(() if high is None else (high + 1,))
    inside = (boundary for boundary in found if NULL_MONEY < boundary < 2**63)
    return np.array(sorted(inside), np.int64)


def of_boundaries(dimension: Dimension, boundaries: Array, decimals: int) -> Array:
    """Return, for each class and predicate, whether the predicate accepts the class's numbers."""
    lowest = [NULL_MONEY, *boundaries.tolist()]
    holds = np.zeros((len(lowest), len(dimension.predicates)), bool)
    for i, predicate in enumerate(dimension.predicates):
        holds[:, i] = True
        for part in predicate.parts if isinstance(predicate, Conjunction) else (predicate,):
            assert isinstance(part, IntervalSet | OverflowGuard)  # noqa: S101
            spans = part.whole(decimals)
            for place, number in enumerate(lowest):
                passes = any(
                    (a is None or a <= number) and (b is None or number <= b) for a, b in spans
                )
                if number == NULL_MONEY and NULL_MONEY + 1 in lowest:
                    passes = part.null
                holds[place, i] &= passes
    return holds
