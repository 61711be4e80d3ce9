"""Plans which rows of a collection an expression reads, and the value that it takes from each."""

from decimal import Decimal
from typing import NamedTuple

from tuppence.feel import compile_expression, syntax
from tuppence.plan.code import RegisterType
from tuppence.plan.model import Collection
from tuppence.plan.predicate_analysis import TRUE, PredicateAnalyzer, Wanted, kind_of, wanted_of
from tuppence.plan.predicates import (
    ANY_ROW,
    MemoizedPredicate,
    OpaquePredicate,
    RowFilter,
    conjoin,
    disjoin,
    single_term,
)
from tuppence.plan.scope import (
    Binding,
    NotColumnar,
    RowOf,
    Scope,
    SingleInputAbstraction,
    resolved,
    row_scope,
)


class RowSelection(NamedTuple):
    """The rows of a collection that pass a filter."""

    collection: Collection
    where: RowFilter


class Series(NamedTuple):
    """A list with one value for each of some rows, followed by constants.

    Attributes:
        rows: The rows.
        field: Name of the field that is read; empty for the row itself or for a constant.
        scale: Factor that the field is multiplied by; 0 for a constant.
        offset: Number that is then added.
        extras: Further elements at the end of the list.
        distinct: True if each distinct value counts once.
    """

    rows: RowSelection
    field: str = ""
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    extras: tuple[Binding, ...] = ()
    distinct: bool = False


class RowPlanner:
    """Finds the rows that an expression reads, and the value that it takes from each.

    Args:
        analyzer: Analyses conditions on single fields.
    """

    def __init__(self, analyzer: PredicateAnalyzer) -> None:
        self.analyzer = analyzer

    # -- which rows ------------------------------------------------------------------------------

    def rows(self, node: syntax.Node, scope: Scope) -> RowSelection | None:
        """Return the rows that an expression selects; None if it is not a list of rows."""
        node, scope = resolved(node, scope)
        if isinstance(node, syntax.Name):
            if scope.find(node.name) is None and node.name in self.analyzer.model.collections:
                collection = self.analyzer.model.collections[node.name]
                return RowSelection(collection, collection.where)
            return None
        if isinstance(node, syntax.Filter) and self.position(node.predicate, scope) is None:
            base = self.rows(node.base, scope)
            if base is None:
                return None
            inner = row_scope(base.collection, "", scope)
            passing = self.filter(node.predicate, inner, base.collection, TRUE)
            return RowSelection(base.collection, self.conjoin(base.where, passing, node))
        return None

    def position(self, predicate: syntax.Node, scope: Scope) -> int | None:
        """Return the position given in brackets; None if the brackets hold a condition."""
        if not isinstance(predicate, syntax.Literal | syntax.Negation):
            return None
        value = self.analyzer.constant(predicate, scope)
        if not isinstance(value, Decimal) or value != value.to_integral_value():
            return None
        return int(value)

    def conjoin(self, left: RowFilter, right: RowFilter, node: syntax.Node) -> RowFilter:
        """Return the filter for the rows that pass both filters."""
        try:
            return conjoin(left, right)
        except OverflowError:
            raise NotColumnar("the filter has too many alternatives", node.span) from None

    def filter(
        self, node: syntax.Node, scope: Scope, collection: Collection, wanted: Wanted
    ) -> RowFilter:
        """Return the filter for the rows whose condition has one of the wanted outcomes.

        Raises:
            NotColumnar: Columns cannot decide the condition.
        """
        node, scope = resolved(node, scope)
        match node:
            case syntax.Logic():
                return self.logic(node, scope, collection, wanted)
            case syntax.Call(function=syntax.Name(name="not"), arguments=(argument,)):
                turned = frozenset(None if w is None else not w for w in wanted)
                return self.filter(argument, scope, collection, turned)
            case syntax.If():
                held = self.filter(node.condition, scope, collection, TRUE)
                failed = self.filter(node.condition, scope, collection, frozenset({False, None}))
                then = self.filter(node.then, scope, collection, wanted)
                otherwise = self.filter(node.otherwise, scope, collection, wanted)
                return disjoin(
                    self.conjoin(held, then, node), self.conjoin(failed, otherwise, node)
                )
        return self.leaf(node, scope, collection, wanted)

    def logic(
        self, node: syntax.Logic, scope: Scope, collection: Collection, wanted: Wanted
    ) -> RowFilter:
        """Return the filter of `and` or `or`, by the outcomes that its two sides may have."""
        try:
            if len(wanted) == 1:
                (outcome,) = wanted
                if outcome is None:  # neither side decides it
                    passing = [
                        self.filter(node, scope, collection, frozenset({True, None})),
                        self.filter(node, scope, collection, frozenset({False, None})),
                    ]
                    return conjoin(*passing)
            elif wanted == {True, False}:
                return disjoin(
                    self.filter(node, scope, collection, TRUE),
                    self.filter(node, scope, collection, frozenset({False})),
                )
            elif len(wanted) == 3:
                return ANY_ROW
            sides = [self.filter(s, scope, collection, wanted) for s in (node.left, node.right)]
            both_needed = (node.operator == "and") == (True in wanted)
            return conjoin(*sides) if both_needed else disjoin(*sides)
        except OverflowError:
            raise NotColumnar("the filter has too many alternatives", node.span) from None

    def leaf(
        self, node: syntax.Node, scope: Scope, collection: Collection, wanted: Wanted
    ) -> RowFilter:
        """Return the filter for rows whose condition on one field has a wanted outcome."""
        quick = self.analyzer.quick(node, scope, collection)
        if quick is not None:
            name, predicate, can_be_null = quick
            return wanted_of(name, predicate, can_be_null, wanted, collection)
        relative = self.analyzer.relative(node, scope, collection, wanted)
        if relative is not None:
            return relative
        closing = SingleInputAbstraction(self.analyzer.model.attributes)
        closed = closing.close(node, scope)
        if not closing.references:
            outcome = compile_expression(closed, now=self.analyzer.now).evaluate({}).value
            outcome = outcome if outcome is True or outcome is False else None
            return ANY_ROW if outcome in wanted else frozenset()
        if len(closing.references) > 1 or next(iter(closing.references))[0] != "row":
            reason = "a filter's condition combines more than one field"
            raise NotColumnar(reason, node.span)
        ((_, name),) = closing.references
        key = (syntax.key(closed), name in collection.negated)
        if key not in self.analyzer.asks:
            answer = self.analyzer.answers(closed)
            if kind_of(answer, collection.table.fields[name]) not in {RegisterType.CONDITION, None}:
                raise NotColumnar("the expression in brackets is not a condition", node.span)
            turned = name in collection.negated
            self.analyzer.asks[key] = MemoizedPredicate(
                (lambda v: answer(-v)) if turned else answer, {}
            )
        return single_term(name, OpaquePredicate(key, wanted, self.analyzer.asks[key]))

    # -- what of each ----------------------------------------------------------------------------

    def series(self, node: syntax.Node, scope: Scope) -> Series | None:
        """Return the list of one value a row that an expression gives; None for any other."""
        node, scope = resolved(node, scope)
        rows = self.rows(node, scope)
        if rows is not None:
            return Series(rows)
        match node:
            case syntax.Path(base=base, name=name):
                whole = self.rows(base, scope)
                if whole is None or name not in whole.collection.table.fields:
                    return None
                return _of_field(whole, name)
            case syntax.For(iterators=(binding,)) if binding.until is None:
                whole = self.rows(binding.source, scope)
                if whole is None:
                    return None
                inner = row_scope(whole.collection, binding.name, scope)
                return self.of_each(node.body, inner, whole)
            case syntax.Call(function=syntax.Name(name="append"), arguments=(first, *others)):
                found = self.series(first, scope)
                if found is None or found.distinct:
                    return None
                extras = tuple(Binding(other, scope) for other in others)
                return found._replace(extras=found.extras + extras)
            case syntax.Call(function=syntax.Name(name="distinct values"), arguments=(first,)):
                found = self.series(first, scope)
                return None if found is None or found.extras else found._replace(distinct=True)
        return None

    def of_each(self, node: syntax.Node, scope: Scope, rows: RowSelection) -> Series:
        """Return the values that an expression takes from rows, as a linear function of one field.

        Raises:
            NotColumnar: The expression is not linear in one field.
        """
        node, scope = resolved(node, scope)
        if isinstance(node, syntax.Name):
            found = scope.find(node.name)
            if isinstance(found, RowOf) and not found.field:
                return Series(rows)
        name = self.analyzer.field(node, scope)
        if name is not None:
            return _of_field(rows, name)
        value = self.analyzer.constant(node, scope)
        if isinstance(value, Decimal):
            return Series(rows, "", Decimal(0), value)
        match node:
            case syntax.Negation():
                return _line(self.of_each(node.operand, scope, rows), Decimal(-1), Decimal(0))
            case syntax.Arithmetic(operator="+" | "-" | "*" | "/" as symbol):
                left, right = (
                    self.analyzer.constant(node.left, scope),
                    self.analyzer.constant(node.right, scope),
                )
                if isinstance(right, Decimal):
                    line = self.of_each(node.left, scope, rows)
                    if symbol == "*":
                        return _line(line, right, Decimal(0))
                    if symbol == "/" and _divides_exactly(right):
                        return _line(line, 1 / right, Decimal(0))
                    if symbol in {"+", "-"}:
                        return _line(line, Decimal(1), right if symbol == "+" else -right)
                elif isinstance(left, Decimal) and symbol != "/":
                    line = self.of_each(node.right, scope, rows)
                    if symbol == "*":
                        return _line(line, left, Decimal(0))
                    return _line(line, Decimal(1 if symbol == "+" else -1), left)
        raise NotColumnar("the value of each row is not a linear function of one field", node.span)


def _of_field(rows: RowSelection, name: str) -> Series:
    return Series(rows, name, Decimal(-1 if name in rows.collection.negated else 1))


def _line(series: Series, scale: Decimal, offset: Decimal) -> Series:
    return series._replace(scale=series.scale * scale, offset=series.offset * scale + offset)


def _divides_exactly(divisor: Decimal) -> bool:
    """Return whether the reciprocal has few digits, so that multiplying by it is as exact."""
    if not divisor or len(divisor.as_tuple().digits) > 6:
        return False
    quotient = 1 / divisor
    return quotient * divisor == 1 and len(quotient.as_tuple().digits) <= 8
