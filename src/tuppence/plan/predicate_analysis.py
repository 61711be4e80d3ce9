"""Analyses conditions: constants, and predicates on single fields of a row."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tuppence.facts.schema import Field, FieldType
from tuppence.feel import compile_expression, syntax
from tuppence.feel.budget import Budget, OutOfBudget
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.operators import arithmetic, negate
from tuppence.feel.values import Date, DateTime, DaysDuration, Range, YearsDuration
from tuppence.plan.code import RegisterType
from tuppence.plan.model import Collection, Model
from tuppence.plan.predicates import (
    EVERY_RELATION,
    EVERYTHING,
    GREATER,
    INCOMPARABLE,
    LESS,
    SAME,
    AttributeComparison,
    IntervalSet,
    MemoizedPredicate,
    OneOf,
    Predicate,
    RowFilter,
    disjoin,
    is_empty,
    single_term,
)
from tuppence.plan.scope import VALUE, NotColumnar, Scope, SingleInputAbstraction, resolved

ORDERED_KINDS = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.DATE})


class _Unknown:
    """Marks an expression that is not constant."""


UNKNOWN = _Unknown()
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_NULL: frozenset[str | bool | None] = frozenset({None})
_RELATIONS = {
    "<": frozenset({LESS}),
    "<=": frozenset({LESS, SAME}),
    ">": frozenset({GREATER}),
    ">=": frozenset({SAME, GREATER}),
    "=": frozenset({SAME}),
    "!=": frozenset({LESS, GREATER, INCOMPARABLE}),
}
Wanted = frozenset[bool | None]
TRUE: Wanted = frozenset({True})


class PredicateAnalyzer:
    """Evaluates constants, and finds the predicates that conditions put on single fields.

    Args:
        model: The facts that rules may read.
        now: The value of `now()`.
    """

    def __init__(self, model: Model, now: DateTime) -> None:
        self.model = model
        self.now = now
        self.asks: dict[Any, MemoizedPredicate] = {}
        self.constants: dict[Any, Any] = {}

    def constant(self, node: syntax.Node, scope: Scope) -> Any:
        """Return the value of an expression that reads no facts; UNKNOWN for any other."""
        node, scope = resolved(node, scope)
        match node:
            case syntax.Literal(value=value):
                return value
            case syntax.Arithmetic():
                left = self.constant(node.left, scope)
                right = UNKNOWN if left is UNKNOWN else self.constant(node.right, scope)
                if right is UNKNOWN:
                    return UNKNOWN
                return _tried(arithmetic, node.operator, left, right, Budget())
            case syntax.Negation():
                value = self.constant(node.operand, scope)
                return UNKNOWN if value is UNKNOWN else _tried(negate, value)
            case syntax.Call(function=syntax.Name(name="today"), arguments=()):
                return self.now.date
            case syntax.Name() | syntax.Filter() | syntax.For() | syntax.Quantified():
                return UNKNOWN
        parts = node.arguments if isinstance(node, syntax.Call) else syntax.children(node)
        if any(self.constant(part, scope) is UNKNOWN for part in parts):
            return UNKNOWN
        closing = SingleInputAbstraction(self.model.attributes)
        try:
            closed = closing.close(node, scope)
        except NotColumnar:
            return UNKNOWN
        if closing.references:
            return UNKNOWN
        key = syntax.key(closed)
        if key not in self.constants:
            self.constants[key] = compile_expression(closed, now=self.now).evaluate({}).value
        return self.constants[key]

    def answers(self, closed: syntax.Node) -> Callable[[Any], Any]:
        """Return a function that evaluates an expression, given the value of the name `value`."""
        expression = compile_expression(closed, now=self.now, names=frozenset({VALUE}))
        return lambda value: expression.evaluate({VALUE: value}).value

    def quick(
        self, node: syntax.Node, scope: Scope, collection: Collection
    ) -> tuple[str, IntervalSet | OneOf, bool] | None:
        """Analyse a comparison of a field with constants.

        Returns:
            The field, the predicate that makes the condition true, and whether a null field makes
            the condition null; None for any other condition.
        """
        match node:
            case syntax.Comparison():
                name, other, symbol = self.field(node.left, scope), node.right, str(node.operator)
                if name is None:
                    name, other, symbol = (
                        self.field(node.right, scope),
                        node.left,
                        _MIRRORED[symbol],
                    )
                value = UNKNOWN if name is None else self.constant(other, scope)
                return None if value is UNKNOWN else self.compared(name, symbol, value, collection)
            case syntax.Between():
                name = self.field(node.value, scope)
                low, high = self.constant(node.low, scope), self.constant(node.high, scope)
                if name is None or not _orders(collection.table.fields[name], low, high):
                    return None
                return name, _between(_place(low), True, _place(high), True), True
            case syntax.In():
                return self.contained(node, scope, collection)
            case syntax.Name() | syntax.Path():
                name = self.field(node, scope)
                if name is not None and collection.table.fields[name].kind is FieldType.BOOLEAN:
                    return name, OneOf(frozenset({True})), collection.table.fields[name].nullable
        return None

    def relative(
        self, node: syntax.Node, scope: Scope, collection: Collection, wanted: Wanted
    ) -> RowFilter | None:
        """Return the filter of a comparison of a field with one of the customer's own fields."""
        if not isinstance(node, syntax.Comparison):
            return None
        name, other, symbol = self.field(node.left, scope), node.right, str(node.operator)
        if name is None:
            name, other, symbol = self.field(node.right, scope), node.left, _MIRRORED[symbol]
        other, inner = resolved(other, scope)
        path = SingleInputAbstraction(self.model.attributes).reference(other, inner)
        own = self.model.attributes.get(path or ())
        if name is None or path is None or own is None or own.derived:
            return None
        field = collection.table.fields[name]
        if field.derived:
            return None
        if (field.kind, field.decimals) != (
            own.kind,
            own.decimals,
        ) or field.kind is FieldType.BOOLEAN:
            return None
        if field.kind is FieldType.TEXT and symbol not in {"=", "!="}:
            return None
        negated = name in collection.negated
        true = _RELATIONS[_MIRRORED[symbol] if negated else symbol]
        null = frozenset() if symbol in {"=", "!="} else frozenset({INCOMPARABLE})
        if null and field.nullable and own.nullable:
            return None  # two nulls are equal but have no order
        accept: frozenset[int] = frozenset()
        for outcome, relations in (
            (True, true),
            (False, EVERY_RELATION - true - null),
            (None, null),
        ):
            accept |= relations if outcome in wanted else frozenset()
        predicate = AttributeComparison(name, path, negated, accept)
        return single_term(predicate.dimension, predicate)

    def compared(
        self, name: str | None, symbol: str, value: Any, collection: Collection
    ) -> tuple[str, IntervalSet | OneOf, bool] | None:
        """Return the field and the predicate of a comparison with a constant."""
        field = collection.table.fields[name or ""]
        ordered = field.kind in ORDERED_KINDS
        if symbol in {"=", "!="}:
            predicate: IntervalSet | OneOf
            if value is None:
                predicate = IntervalSet((), null=True) if ordered else OneOf(frozenset({None}))
            elif ordered and _orders(field, value):
                predicate = IntervalSet(((_place(value), True, _place(value), True),), null=False)
            elif type(value) is (bool if field.kind is FieldType.BOOLEAN else str) and not ordered:
                predicate = OneOf(frozenset({value}))
            else:
                return None
            return field.name, predicate if symbol == "=" else predicate.complement(), False
        if not ordered or not _orders(field, value):
            return None
        closed = symbol in {"<=", ">="}
        place = _place(value)
        below = symbol in {"<", "<="}
        interval = (None, False, place, closed) if below else (place, closed, None, False)
        return field.name, IntervalSet((interval,), null=False), True

    def contained(
        self, node: syntax.In, scope: Scope, collection: Collection
    ) -> tuple[str, IntervalSet | OneOf, bool] | None:
        """Return the field and the predicate of `field in …` for constants."""
        name = self.field(node.value, scope)
        tests = [self.constant(test, scope) for test in node.tests]
        if name is None or UNKNOWN in tests:
            return None
        field = collection.table.fields[name]
        if field.kind is FieldType.TEXT and all(type(test) is str for test in tests):
            return name, OneOf(frozenset(tests)), False
        if field.kind not in ORDERED_KINDS:
            return None
        passing = IntervalSet((), null=False)
        for test in tests:
            predicate = _test(field, test)
            if predicate is None:
                return None
            passing = passing.join(predicate)
        has_range = any(isinstance(test, Range) for test in tests)
        return name, passing, has_range and not passing.null

    def field(self, node: syntax.Node, scope: Scope) -> str | None:
        """Return the name of the field of the row that an expression reads; None for any other."""
        node, scope = resolved(node, scope)
        found = SingleInputAbstraction({}).reference(node, scope)
        return found[1] if found is not None and found[0] == "row" else None


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except FeelError:
        return None
    except OutOfBudget:
        return UNKNOWN


def _orders(field: Field, *values: Any) -> bool:
    """Return whether values can be ordered against those of a field."""
    kind = Date if field.kind is FieldType.DATE else Decimal
    return all(type(value) is kind for value in values)


def _between(
    low: Decimal | None, low_closed: bool, high: Decimal | None, high_closed: bool
) -> IntervalSet:
    """Return the interval between two bounds; empty if it would end before it begins."""
    interval = (low, low_closed, high, high_closed)
    return IntervalSet(() if is_empty(interval) else (interval,), null=False)


def _test(field: Field, test: Any) -> IntervalSet | None:
    """Return the predicate of one constant of `field in (…)`; None if columns cannot decide it."""
    if test is None:
        return IntervalSet((), null=True)
    if not isinstance(test, Range):
        if not _orders(field, test):
            return None
        return _between(_place(test), True, _place(test), True)
    low, high, low_closed, high_closed, unary = test
    ends = [end for end in (low, high) if end is not None]
    if not ends or not _orders(field, *ends) or (len(ends) == 1) != unary:
        return None
    start = None if low is None else _place(low)
    end = None if high is None else _place(high)
    return _between(start, low_closed, end, high_closed)


def _place(value: Any) -> Decimal:
    return Decimal(value.day) if isinstance(value, Date) else value


def wanted_of(
    name: str,
    predicate: IntervalSet | OneOf,
    can_be_null: bool,
    wanted: Wanted,
    collection: Collection,
) -> RowFilter:
    """Return the filter for rows with a wanted outcome, given the predicate that makes it true."""
    ordered = isinstance(predicate, IntervalSet)
    null: Predicate = IntervalSet((), null=True) if ordered else OneOf(frozenset({None}))
    known: Predicate = (
        IntervalSet((EVERYTHING,), null=False) if ordered else OneOf(_NULL, others=True)
    )
    false: Predicate = predicate.complement()
    if can_be_null:
        false = false.meet(known)
    found: RowFilter = frozenset()
    for outcome, passing in ((True, predicate), (False, false), (None, null)):
        if outcome in wanted and (outcome is not None or can_be_null):
            if name in collection.negated and isinstance(passing, IntervalSet):
                found = disjoin(found, single_term(name, passing.negated()))
            else:
                found = disjoin(found, single_term(name, passing))
    return found


def kind_of(answer: Callable[[Any], Any], field: Field) -> RegisterType | None:
    """Return the type of an expression's values over a field, judged by example values."""
    samples: Mapping[FieldType, tuple[Any, ...]] = {
        FieldType.DATE: (Date(20_000), Date(0)),
        FieldType.TEXT: ("text", "1", ""),
        FieldType.BOOLEAN: (True, False),
    }
    kinds = {
        Decimal: RegisterType.NUMBER,
        Date: RegisterType.DATE,
        DaysDuration: RegisterType.DAYS,
        YearsDuration: RegisterType.MONTHS,
        str: RegisterType.TEXT,
        bool: RegisterType.CONDITION,
    }
    for sample in samples.get(field.kind, (Decimal(1), Decimal(2000), Decimal(0))):
        found = answer(sample)
        if found is not None:
            return kinds.get(type(found))
    return None
