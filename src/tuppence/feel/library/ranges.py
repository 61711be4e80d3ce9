"""Relations between points and ranges (DMN 1.5, 10.3.4.10), and `range` and `is`.

By Allen's interval algebra: a range has a low and a high end, each of which is included or not. A
point counts as the range of only that point.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from tuppence.feel import syntax
from tuppence.feel.budget import Budget
from tuppence.feel.diagnostics import FeelError, FeelSyntaxError
from tuppence.feel.library import temporal
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.operators import compare
from tuppence.feel.parser import parse
from tuppence.feel.types import ANY, BOOLEAN, STRING, Nullable, RangeOf
from tuppence.feel.values import DateTime, Range, Time


def _span(value: Any) -> Range:
    if not isinstance(value, Range):
        return Range(value, value, low_closed=True, high_closed=True)
    if value.low is None or value.high is None:
        raise FeelError("feel.argument-type", "the range must have two ends")
    return value


class _Ends:
    """Compares the ends of ranges, and pays for every comparison."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def less(self, left: Any, right: Any) -> bool:
        return compare("<", left, right, self.budget)

    def same(self, left: Any, right: Any) -> bool:
        return compare("=", left, right, self.budget)

    def starts_earlier(self, a: Range, b: Range) -> bool:
        touching = self.same(a.low, b.low) and a.low_closed and not b.low_closed
        return self.less(a.low, b.low) or touching

    def ends_later(self, a: Range, b: Range) -> bool:
        touching = self.same(a.high, b.high) and a.high_closed and not b.high_closed
        return self.less(b.high, a.high) or touching

    def same_start(self, a: Range, b: Range) -> bool:
        return self.same(a.low, b.low) and a.low_closed == b.low_closed

    def same_end(self, a: Range, b: Range) -> bool:
        return self.same(a.high, b.high) and a.high_closed == b.high_closed


_Test = Callable[[_Ends, Range, Range], bool]


def _before(ends: _Ends, a: Range, b: Range) -> bool:
    touching = ends.same(a.high, b.low) and not (a.high_closed and b.low_closed)
    return ends.less(a.high, b.low) or touching


def _meets(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.same(a.high, b.low) and a.high_closed and b.low_closed


def _includes(ends: _Ends, a: Range, b: Range) -> bool:
    return not ends.starts_earlier(b, a) and not ends.ends_later(b, a)


def _overlaps(ends: _Ends, a: Range, b: Range) -> bool:
    return not _before(ends, a, b) and not _before(ends, b, a)


def _overlaps_before(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.starts_earlier(a, b) and _overlaps(ends, a, b) and not ends.ends_later(a, b)


def _overlaps_after(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.starts_earlier(b, a) and _overlaps(ends, a, b) and not ends.ends_later(b, a)


def _starts(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.same_start(a, b) and not ends.ends_later(a, b)


def _finishes(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.same_end(a, b) and not ends.starts_earlier(a, b)


def _coincides(ends: _Ends, a: Range, b: Range) -> bool:
    return ends.same_start(a, b) and ends.same_end(a, b)


def _relation(test: _Test) -> Callable[[Budget, Any, Any], bool]:
    return lambda budget, left, right: test(_Ends(budget), _span(left), _span(right))


def _inverse(test: _Test) -> _Test:
    return lambda ends, a, b: test(ends, b, a)


def _is(budget: Budget, left: Any, right: Any) -> bool:
    """Return whether two values are identical: of one type and, for times, with equal offsets."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Time | DateTime):
        return bool(left == right)
    if left is None:
        return True
    try:
        return compare("=", left, right, budget)
    except FeelError:
        return False


def _range(budget: Budget, text: str) -> Range:
    """Parse a range whose ends are literals."""
    budget.spend(_PARSING_STEPS * len(text))
    try:
        tree = parse(text, ("date and time",))
    except FeelSyntaxError:
        tree = None
    if not isinstance(tree, syntax.RangeLiteral) or tree.unary:
        raise FeelError("feel.conversion", "the text is not a range")
    low, high = (_end(node, budget) for node in (tree.low, tree.high))
    if type(low) is not type(high) or compare(">", low, high, budget):
        raise FeelError("feel.conversion", "the ends of the range are not in ascending order")
    return Range(low, high, tree.low_closed, tree.high_closed)


def _end(node: syntax.Node | None, budget: Budget) -> Any:
    """Return the value of a literal, of a negative number, or of a call such as `date("…")`."""
    match node:
        case syntax.Literal(value=value) if value is not None:
            return value
        case syntax.Negation(operand=syntax.Literal(value=Decimal() as value)):
            return CONTEXT.minus(value)
        case syntax.Call(
            function=syntax.Name(name=name), arguments=(syntax.Literal(value=str() as text),)
        ) if name in _WRITTEN:
            function = next(f for f in temporal.FUNCTIONS if f.name == name)
            return function.invoke([text], budget)
    raise FeelError("feel.conversion", "the ends of the range must be literals")


_PARSING_STEPS: Final = 30
_WRITTEN: Final = frozenset({"date", "time", "date and time", "duration"})
_RANGE: Final = RangeOf(ANY)
_POINTS: Final = (("point1", ANY), ("point2", ANY))
_POINT_RANGE: Final = (("point", ANY), ("range", _RANGE))
_RANGE_POINT: Final = (("range", _RANGE), ("point", ANY))
_RANGES: Final = (("range1", _RANGE), ("range2", _RANGE))

_RELATIONS: Final = (
    (
        "before",
        (_POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES),
        _before,
        "Returns true if the first ends before the second.",
    ),
    (
        "after",
        (_POINTS, _POINT_RANGE, _RANGE_POINT, _RANGES),
        _inverse(_before),
        "Returns true if the first starts after the second.",
    ),
    ("meets", (_RANGES,), _meets, "Returns true if the first ends where the second starts."),
    (
        "met by",
        (_RANGES,),
        _inverse(_meets),
        "Returns true if the first starts where the second ends.",
    ),
    ("overlaps", (_RANGES,), _overlaps, "Returns true if both have a point in common."),
    (
        "overlaps before",
        (_RANGES,),
        _overlaps_before,
        "Returns true if both overlap and the first starts earlier.",
    ),
    (
        "overlaps after",
        (_RANGES,),
        _overlaps_after,
        "Returns true if both overlap and the first ends later.",
    ),
    (
        "finishes",
        (_POINT_RANGE, _RANGES),
        _finishes,
        "Returns true if the first is the last part of the second.",
    ),
    (
        "finished by",
        (_RANGE_POINT, _RANGES),
        _inverse(_finishes),
        "Returns true if the second is the last part of the first.",
    ),
    (
        "includes",
        (_RANGE_POINT, _RANGES),
        _includes,
        "Returns true if the first contains the second.",
    ),
    (
        "during",
        (_POINT_RANGE, _RANGES),
        _inverse(_includes),
        "Returns true if the second contains the first.",
    ),
    (
        "starts",
        (_POINT_RANGE, _RANGES),
        _starts,
        "Returns true if the first is the first part of the second.",
    ),
    (
        "started by",
        (_RANGE_POINT, _RANGES),
        _inverse(_starts),
        "Returns true if the second is the first part of the first.",
    ),
    ("coincides", (_POINTS, _RANGES), _coincides, "Returns true if both are equal."),
)

FUNCTIONS: Final = (
    *(
        Builtin(name, forms[0], BOOLEAN, _relation(test), doc, others=forms[1:], spends=True)
        for name, forms, test, doc in _RELATIONS
    ),
    Builtin(
        "range",
        (("from", STRING),),
        RangeOf(ANY),
        _range,
        "Returns the range written in a text.",
        steps=100,
        spends=True,
    ),
    Builtin(
        "is",
        (("value1", Nullable(ANY)), ("value2", Nullable(ANY))),
        BOOLEAN,
        _is,
        "Returns true if both values are equal and of the same type.",
        takes_null=True,
        spends=True,
    ),
)
