"""What a filter asks of one field of a row, in a form that can be combined and turned round.

Every predicate says of every value, null among them, whether it lets it through.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

Interval = tuple[Decimal | None, bool, Decimal | None, bool]
"""Low end, whether it belongs to it, high end, whether it belongs to it; None is unbounded."""

EVERYTHING: Final[Interval] = (None, False, None, False)


@dataclass(frozen=True, slots=True)
class IntervalSet:
    """A number or a date in one of some disjoint intervals, in ascending order; or null.

    Dates count as days since 1970-01-01.
    """

    intervals: tuple[Interval, ...]
    null: bool

    def complement(self) -> "IntervalSet":
        """Lets through just what this one does not."""
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
        """Lets through what both do."""
        if not isinstance(other, IntervalSet):
            return _together(self, other)
        found = [_overlap(a, b) for a in self.intervals for b in other.intervals]
        kept = tuple(interval for interval in found if not is_empty(interval))
        return IntervalSet(kept, self.null and other.null)

    @property
    def impossible(self) -> bool:
        """Whether it lets nothing through."""
        return not self.intervals and not self.null

    def join(self, other: "IntervalSet") -> "IntervalSet":
        """Lets through what either does."""
        neither = self.complement().meet(other.complement())
        assert isinstance(neither, IntervalSet)  # noqa: S101
        return neither.complement()

    def holds(self, value: Any) -> bool:
        """Whether it lets a FEEL value through."""
        if value is None:
            return self.null
        place = value if isinstance(value, Decimal) else Decimal(value.day)
        point = (place, True, place, True)
        return any(not is_empty(_overlap(interval, point)) for interval in self.intervals)

    def negated(self) -> "IntervalSet":
        """Lets through -x where this one lets x through."""
        turned = tuple(
            (None if end is None else -end, b, None if start is None else -start, a)
            for start, a, end, b in reversed(self.intervals)
        )
        return IntervalSet(turned, self.null)

    def whole(self, decimals: int) -> list[tuple[int | None, int | None]]:
        """Return the intervals, both ends included, of values in units of 10^-decimals."""
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
    """Whether nothing is in it."""
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


LARGEST: Final = 10**10
"""Sums of so many minor units, half a million times, are whole numbers that a float can hold."""


@dataclass(frozen=True, slots=True)
class OverflowGuard:
    """An amount too large, whatever its sign, to be summed as a float."""

    null: bool = False

    def meet(self, other: "Predicate") -> "Predicate":
        """Lets through what both do."""
        return _together(self, other)

    @property
    def impossible(self) -> bool:
        """Never."""
        return False

    def holds(self, value: Any) -> bool:
        """Whether a number counted in minor units is too large."""
        return value is not None and abs(value) > LARGEST

    def whole(self, _: int) -> list[tuple[int | None, int | None]]:
        """Return the intervals in minor units."""
        return [(None, -LARGEST - 1), (LARGEST + 1, None)]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text or a boolean that is one of some values; or, as a complement, none of them."""

    values: frozenset[str | bool | None]
    others: bool = False

    def complement(self) -> "OneOf":
        """Lets through just what this one does not."""
        return OneOf(self.values, not self.others)

    def meet(self, other: "Predicate") -> "Predicate":
        """Lets through what both do."""
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
        """Whether it lets nothing through."""
        return not self.values and not self.others

    def holds(self, value: Any) -> bool:
        """Whether it lets a value through."""
        return (value in self.values) is not self.others


@dataclass(frozen=True, slots=True)
class OpaquePredicate:
    """Any other condition on one field: the interpreter answers for each value that occurs.

    Attributes:
        key: Two conditions of the same key are the same.
        accept: The outcomes that are let through.
        ask: Gives the condition's outcome for a FEEL value.
    """

    key: Any
    accept: frozenset[bool | None]
    ask: "MemoizedPredicate" = field(compare=False)

    def complement(self) -> "OpaquePredicate":
        """Lets through just what this one does not."""
        return OpaquePredicate(self.key, frozenset({True, False, None}) - self.accept, self.ask)

    def meet(self, other: "Predicate") -> "Predicate":
        """Lets through what both do."""
        return self if other == self else _together(self, other)

    @property
    def impossible(self) -> bool:
        """Whether it lets nothing through."""
        return not self.accept

    def holds(self, value: Any) -> bool:
        """Whether it lets a value through."""
        return self.ask(value) in self.accept


LESS: Final = 0
SAME: Final = 1
GREATER: Final = 2
INCOMPARABLE: Final = 3
EVERY_RELATION: Final = frozenset({LESS, SAME, GREATER, INCOMPARABLE})


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """A field beside one of the customer's own fields of the same kind.

    Texts are the same or INCOMPARABLE; so is null, beside anything but null.

    Attributes:
        field: Of the row.
        path: Of the customer's field.
        negated: Whether the customer's value is taken with its sign turned.
        accept: The relations, of the row's value to the customer's, that are let through.
    """

    field: str
    path: tuple[str, ...]
    negated: bool
    accept: frozenset[int]

    def complement(self) -> "AttributeComparison":
        """Lets through just what this one does not."""
        return replace(self, accept=EVERY_RELATION - self.accept)

    def meet(self, other: "Predicate") -> "Predicate":
        """Lets through what both do."""
        if not isinstance(other, AttributeComparison):
            return _together(self, other)
        return replace(self, accept=self.accept & other.accept)

    @property
    def impossible(self) -> bool:
        """Whether it lets nothing through."""
        return not self.accept

    def holds(self, value: Any) -> bool:
        """Whether it lets a relation through."""
        return value in self.accept

    @property
    def dimension(self) -> str:
        """The name under which terms ask it."""
        return f"{self.field} beside {'-' * self.negated}{'.'.join(self.path)}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Literals that all have to hold."""

    parts: "frozenset[Predicate]"

    def meet(self, other: "Predicate") -> "Predicate":
        """Lets through what both do."""
        return _together(self, other)

    def holds(self, value: Any) -> bool:
        """Whether it lets a FEEL value through."""
        return all(part.holds(value) for part in self.parts)

    @property
    def impossible(self) -> bool:
        """Whether it lets nothing through, as far as can be told."""
        return any(part.impossible for part in self.parts)


def _together(*predicates: "Predicate") -> Conjunction:
    """Literals that all have to hold, those of others among them."""
    parts = (one.parts if isinstance(one, Conjunction) else {one} for one in predicates)
    return Conjunction(frozenset().union(*parts))


@dataclass(frozen=True, slots=True, eq=False)
class MemoizedPredicate:
    """Asks the interpreter, for each value once."""

    answer: Callable[[Any], Any]
    known: dict[Any, Any]

    def __call__(self, value: Any) -> Any:
        """Return true, false, or None for any other value."""
        try:
            return self.known[value]
        except KeyError:
            found = self.answer(value)
            if len(self.known) >= MOST_ANSWERS:  # texts are without end; memory is not
                self.known.clear()
            self.known[value] = found if found is True or found is False else None
            return self.known[value]


Predicate = (
    IntervalSet | OverflowGuard | OneOf | OpaquePredicate | AttributeComparison | Conjunction
)
Term = frozenset[tuple[str, Predicate]]
"""What a row must have: for each field that matters its predicate, all of which have to hold."""

RowFilter = frozenset[Term]
"""Alternatives, of which one has to hold; a disjunctive normal form. Of none, nothing passes."""

ANY_ROW: Final[RowFilter] = frozenset({frozenset()})
MOST_TERMS: Final = 64
MOST_ANSWERS: Final = 100_000


def single_term(name: str, predicate: Predicate) -> RowFilter:
    """Return a filter with a single predicate."""
    return frozenset() if predicate.impossible else frozenset({frozenset({(name, predicate)})})


def conjoin(left: RowFilter, right: RowFilter) -> RowFilter:
    """Lets through what both filters do.

    Raises:
        OverflowError: It would have too many alternatives.
    """
    if len(left) * len(right) > MOST_TERMS:
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
    """Lets through what one of the filters does.

    Raises:
        OverflowError: It would have too many alternatives.
    """
    found = left | right
    if len(found) > MOST_TERMS:
        raise OverflowError
    return found
