"""Predicates on one field of a row, in a form that can be combined and negated.

Every predicate either accepts or rejects each value, null included.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

Interval = tuple[Decimal | None, bool, Decimal | None, bool]
"""Low end, whether it is included, high end, whether it is included; None is unbounded."""

EVERYTHING: Final[Interval] = (None, False, None, False)


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """Accepts numbers or dates that lie in one of several disjoint, ascending intervals, or null.

    Dates are counted as days since 1970-01-01.
    """

    intervals: tuple[Interval, ...]
    null: bool

    def complement(self) -> "IntervalSet":
        """Return the predicate that accepts exactly what this one rejects."""
        intervals: list[Interval] = []
        low: Decimal | None = None
        closed = False
        for start, start_closed, end, end_closed in self.intervals:
            if start is not None:
                intervals.append((low, closed, start, not start_closed))
            if end is None:
                break
            low, closed = end, not end_closed
        else:
            intervals.append((low, closed, None, False))
        return IntervalSet(tuple(i for i in intervals if not is_empty(i)), not self.null)

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        if not isinstance(other, IntervalSet):
            return _together(self, other)
        found = [_overlap(a, b) for a in self.intervals for b in other.intervals]
        kept = tuple(interval for interval in found if not is_empty(interval))
        return IntervalSet(kept, self.null and other.null)

    @property
    def impossible(self) -> bool:
        """Return whether the predicate rejects everything."""
        return not self.intervals and not self.null

    def join(self, other: "IntervalSet") -> "IntervalSet":
        """Return the predicate that accepts what either accepts."""
        neither = self.complement().meet(other.complement())
        assert isinstance(neither, IntervalSet)  # noqa: S101
        return neither.complement()

    def holds(self, value: Any) -> bool:
        """Return whether the predicate accepts a FEEL value."""
        if value is None:
            return self.null
        place = value if isinstance(value, Decimal) else Decimal(value.day)
        point = (place, True, place, True)
        return any(not is_empty(_overlap(interval, point)) for interval in self.intervals)

    def negated(self) -> "IntervalSet":
        """Return the predicate that accepts -x where this one accepts x."""
        turned = tuple(
            (None if end is None else -end, b, None if start is None else -start, a)
            for start, a, end, b in reversed(self.intervals)
        )
        return IntervalSet(turned, self.null)

    def whole(self, decimals: int) -> list[tuple[int | None, int | None]]:
        """Return the intervals, both ends included, of values counted in units of 10^-decimals."""
        found: list[tuple[int | None, int | None]] = []
        for start, start_closed, end, end_closed in self.intervals:
            low = None if start is None else _least(start.scaleb(decimals), start_closed)
            high = None if end is None else -_least((-end).scaleb(decimals), end_closed)
            if low is None or high is None or low <= high:
                found.append((low, high))
        return found


def _least(bound: Decimal, closed: bool) -> int:
    """Return the least whole number that is not below the bound."""
    least = int(bound.to_integral_value(ROUND_CEILING))
    return least if closed or least != bound else int(bound.to_integral_value(ROUND_FLOOR)) + 1


def is_empty(interval: Interval) -> bool:
    """Return whether an interval contains nothing."""
    low, low_closed, high, high_closed = interval
    if low is None or high is None:
        return False
    return low > high or (low == high and not (low_closed and high_closed))


def _overlap(a: Interval, b: Interval) -> Interval:
    low, low_closed = a[:2]
    if low is None or (b[0] is not None and (b[0] > low or (b[0] == low and not b[1]))):
        low, low_closed = b[:2]
    high, high_closed = a[2:]
    if high is None or (b[2] is not None and (b[2] < high or (b[2] == high and not b[3]))):
        high, high_closed = b[2:]
    return low, low_closed, high, high_closed


MAX_NUMBER: Final = 10**10
"""Sums of half a million amounts up to this number of minor units are exact in a float."""


@dataclass(frozen=True, slots=True)
class OverflowGuard:
    """Accepts amounts, of either sign, that are too large to be summed exactly as floats."""

    null: bool = False

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        return _together(self, other)

    @property
    def impossible(self) -> bool:
        """Return False: some amounts are always accepted."""
        return False

    def holds(self, value: Any) -> bool:
        """Return whether a number of minor units is too large."""
        return value is not None and abs(value) > MAX_NUMBER

    def whole(self, _: int) -> list[tuple[int | None, int | None]]:
        """Return the accepted intervals in minor units."""
        return [(None, -MAX_NUMBER - 1), (MAX_NUMBER + 1, None)]


@dataclass(frozen=True, slots=True)
class OneOf:
    """Accepts a text or a boolean that is one of some values or, as a complement, none of them."""

    values: frozenset[str | bool | None]
    others: bool = False

    def complement(self) -> "OneOf":
        """Return the predicate that accepts exactly what this one rejects."""
        return OneOf(self.values, not self.others)

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        if not isinstance(other, OneOf):
            return _together(self, other)
        match self.others, other.others:
            case False, False:
                return OneOf(self.values & other.values)
            case False, True:
                return OneOf(self.values - other.values)
            case True, False:
                return OneOf(other.values - self.values)
        return OneOf(self.values | other.values, others=True)

    @property
    def impossible(self) -> bool:
        """Return whether the predicate rejects everything."""
        return not self.values and not self.others

    def holds(self, value: Any) -> bool:
        """Return whether the predicate accepts a value."""
        return (value in self.values) is not self.others


@dataclass(frozen=True, slots=True)
class OpaquePredicate:
    """Any other condition on one field; the interpreter decides it for each value that occurs.

    Attributes:
        key: Identifies the condition: equal keys mean equal conditions.
        accept: The outcomes that are accepted.
        ask: Returns the condition's outcome for a FEEL value.
    """

    key: Any
    accept: frozenset[bool | None]
    ask: "MemoizedPredicate" = field(compare=False)

    def complement(self) -> "OpaquePredicate":
        """Return the predicate that accepts exactly what this one rejects."""
        return OpaquePredicate(self.key, frozenset({True, False, None}) - self.accept, self.ask)

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        return self if other == self else _together(self, other)

    @property
    def impossible(self) -> bool:
        """Return whether the predicate rejects everything."""
        return not self.accept

    def holds(self, value: Any) -> bool:
        """Return whether the predicate accepts a value."""
        return self.ask(value) in self.accept


LESS: Final = 0
SAME: Final = 1
GREATER: Final = 2
INCOMPARABLE: Final = 3
EVERY_RELATION: Final = frozenset({LESS, SAME, GREATER, INCOMPARABLE})


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """Compares a field of the row with one of the customer's own fields of the same kind.

    Texts are equal or INCOMPARABLE; null is INCOMPARABLE with everything but null.

    Attributes:
        field: Name of the row's field.
        path: Path of the customer's field.
        negated: True if the sign of the customer's value is reversed first.
        accept: The accepted relations of the row's value to the customer's.
    """

    field: str
    path: tuple[str, ...]
    negated: bool
    accept: frozenset[int]

    def complement(self) -> "AttributeComparison":
        """Return the predicate that accepts exactly what this one rejects."""
        return replace(self, accept=EVERY_RELATION - self.accept)

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        if not isinstance(other, AttributeComparison):
            return _together(self, other)
        return replace(self, accept=self.accept & other.accept)

    @property
    def impossible(self) -> bool:
        """Return whether the predicate rejects everything."""
        return not self.accept

    def holds(self, value: Any) -> bool:
        """Return whether the predicate accepts a relation."""
        return value in self.accept

    @property
    def dimension(self) -> str:
        """The name of the comparison among the fields of a term."""
        return f"{self.field} beside {'-' * self.negated}{'.'.join(self.path)}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Accepts what all of its parts accept."""

    parts: "frozenset[Predicate]"

    def meet(self, other: "Predicate") -> "Predicate":
        """Return the predicate that accepts what both accept."""
        return _together(self, other)

    def holds(self, value: Any) -> bool:
        """Return whether the predicate accepts a FEEL value."""
        return all(part.holds(value) for part in self.parts)

    @property
    def impossible(self) -> bool:
        """Return whether a part rejects everything; contradictions between parts go unnoticed."""
        return any(part.impossible for part in self.parts)


def _together(*predicates: "Predicate") -> Conjunction:
    """Return the conjunction of predicates, with nested conjunctions flattened."""
    parts = (one.parts if isinstance(one, Conjunction) else {one} for one in predicates)
    return Conjunction(frozenset().union(*parts))


@dataclass(frozen=True, slots=True, eq=False)
class MemoizedPredicate:
    """Evaluates a condition through the interpreter, once for each value."""

    answer: Callable[[Any], Any]
    known: dict[Any, Any]

    def __call__(self, value: Any) -> Any:
        """Return True, False, or None for any other outcome."""
        try:
            return self.known[value]
        except KeyError:
            found = self.answer(value)
            if len(self.known) >= MAX_ANSWERS:  # there is no limit to texts, but there is to memory
                self.known.clear()
            self.known[value] = found if found is True or found is False else None
            return self.known[value]


Predicate = (
    IntervalSet | OverflowGuard | OneOf | OpaquePredicate | AttributeComparison | Conjunction
)
Term = frozenset[tuple[str, Predicate]]
"""The predicates that a row must satisfy, all of them, each with the name of its field."""

RowFilter = frozenset[Term]
"""Alternatives, one of which a row must satisfy (disjunctive normal form); no row passes an empty
filter."""

ANY_ROW: Final[RowFilter] = frozenset({frozenset()})
MAX_TERMS: Final = 64
MAX_ANSWERS: Final = 100_000


def single_term(name: str, predicate: Predicate) -> RowFilter:
    """Return the filter with a single predicate."""
    return frozenset() if predicate.impossible else frozenset({frozenset({(name, predicate)})})


def conjoin(left: RowFilter, right: RowFilter) -> RowFilter:
    """Return the filter that passes what both filters pass.

    Raises:
        OverflowError: The result would have too many alternatives.
    """
    if len(left) * len(right) > MAX_TERMS:
        raise OverflowError
    terms: set[Term] = set()
    for a in left:
        for b in right:
            asked = dict(a)
            for name, predicate in b:
                asked[name] = asked[name].meet(predicate) if name in asked else predicate
            if not any(predicate.impossible for predicate in asked.values()):
                terms.add(frozenset(asked.items()))
    return frozenset(terms)


def disjoin(left: RowFilter, right: RowFilter) -> RowFilter:
    """Return the filter that passes what either filter passes.

    Raises:
        OverflowError: The result would have too many alternatives.
    """
    found = left | right
    if len(found) > MAX_TERMS:
        raise OverflowError
    return found
