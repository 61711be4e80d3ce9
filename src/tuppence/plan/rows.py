"""What rules do with the rows of a collection: which rows, and what of each."""

from decimal import Decimal
from typing import NamedTuple

from tuppence.feel import compile_expression, syntax
from tuppence.plan.asking import TRUE, Asking, Wanted, kind_of, wanted_of
from tuppence.plan.code import Kind as StepKind
from tuppence.plan.literals import (
    ANY_ROW,
    Ask,
    Filter,
    General,
    asking,
    both,
    either,
)
from tuppence.plan.model import Collection
from tuppence.plan.scope import Bound, Closing, Outside, RowOf, Scope, resolved, row_scope


class Rows(NamedTuple):
    """Rows of a collection that pass a filter."""

    collection: Collection
    where: Filter


class Series(NamedTuple):
    """One value of each row, and constants after them.

    Attributes:
        rows: Which rows.
        field: Of which field; empty for the row itself or for a constant.
        scale: What the field is multiplied by.
        offset: And what is added to it then.
        extras: Further elements at the end of the list.
        distinct: Whether each value counts once.
    """

    rows: Rows
    field: str = ""
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    extras: tuple[Bound, ...] = ()
    distinct: bool = False


class RowPlanner(Asking):
    """Finds the rows that an expression goes through, and what it takes of each."""

    # -- which rows ------------------------------------------------------------------------------

    def rows(self, node: syntax.Node, scope: Scope) -> Rows | None:
        """The rows that an expression is, or None where it is no list of rows."""
        node, scope = resolved(node, scope)
        if isinstance(node, syntax.Name):
            if scope.find(node.name) is None and node.name in self.model.collections:
                collection = self.model.collections[node.name]
                return Rows(collection, collection.where)
            return None
        if isinstance(node, syntax.Filter) and self.position(node.predicate, scope) is None:
            base = self.rows(node.base, scope)
            if base is None:
                return None
            inner = row_scope(base.collection, "", scope)
            passing = self.filter(node.predicate, inner, base.collection, TRUE)
            return Rows(base.collection, self.both(base.where, passing, node))
        return None

    def position(self, predicate: syntax.Node, scope: Scope) -> int | None:
        """The position that stands in brackets, or None where a condition does."""
        if not isinstance(predicate, syntax.Literal | syntax.Negation):
            return None
        value = self.constant(predicate, scope)
        if not isinstance(value, Decimal) or value != value.to_integral_value():
            return None
        return int(value)

    def both(self, left: Filter, right: Filter, node: syntax.Node) -> Filter:
        """The rows that pass both filters."""
        try:
            return both(left, right)
        except OverflowError:
            raise Outside("the filter has too many alternatives", node.span) from None

    def filter(
        self, node: syntax.Node, scope: Scope, collection: Collection, wanted: Wanted
    ) -> Filter:
        """The rows for which a condition has one of the outcomes that are wanted.

        Raises:
            Outside: The columns cannot tell.
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
                return either(self.both(held, then, node), self.both(failed, otherwise, node))
        return self.leaf(node, scope, collection, wanted)

    def logic(
        self, node: syntax.Logic, scope: Scope, collection: Collection, wanted: Wanted
    ) -> Filter:
        """`and`, `or`: each set of outcomes by what the sides must be for it."""
        try:
            if len(wanted) == 1:
                (outcome,) = wanted
                if outcome is None:  # not decided either way
                    passing = [
                        self.filter(node, scope, collection, frozenset({True, None})),
                        self.filter(node, scope, collection, frozenset({False, None})),
                    ]
                    return both(*passing)
            elif wanted == {True, False}:
                return either(
                    self.filter(node, scope, collection, TRUE),
                    self.filter(node, scope, collection, frozenset({False})),
                )
            elif len(wanted) == 3:
                return ANY_ROW
            sides = [self.filter(s, scope, collection, wanted) for s in (node.left, node.right)]
            both_needed = (node.operator == "and") == (True in wanted)
            return both(*sides) if both_needed else either(*sides)
        except OverflowError:
            raise Outside("the filter has too many alternatives", node.span) from None

    def leaf(
        self, node: syntax.Node, scope: Scope, collection: Collection, wanted: Wanted
    ) -> Filter:
        """The rows for which a condition on one field has one of the outcomes wanted."""
        quick = self.quick(node, scope, collection)
        if quick is not None:
            name, literal, can_be_null = quick
            return wanted_of(name, literal, can_be_null, wanted, collection)
        relative = self.relative(node, scope, collection, wanted)
        if relative is not None:
            return relative
        closing = Closing(self.model.attributes)
        closed = closing.close(node, scope)
        if not closing.references:
            outcome = compile_expression(closed, now=self.now).evaluate({}).value
            outcome = outcome if outcome is True or outcome is False else None
            return ANY_ROW if outcome in wanted else frozenset()
        if len(closing.references) > 1 or next(iter(closing.references))[0] != "row":
            reason = "a filter's condition puts together more than one field"
            raise Outside(reason, node.span)
        ((_, name),) = closing.references
        key = (syntax.key(closed), name in collection.negated)
        if key not in self.asks:
            answer = self.answers(closed)
            if kind_of(answer, collection.table.fields[name]) not in {StepKind.CONDITION, None}:
                raise Outside("what stands in brackets is no condition", node.span)
            turned = name in collection.negated
            self.asks[key] = Ask((lambda v: answer(-v)) if turned else answer, {})
        return asking(name, General(key, wanted, self.asks[key]))

    # -- what of each ----------------------------------------------------------------------------

    def series(self, node: syntax.Node, scope: Scope) -> Series | None:
        """The list of one value a row that an expression is; None where it is no such list."""
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
                extras = tuple(Bound(other, scope) for other in others)
                return found._replace(extras=found.extras + extras)
            case syntax.Call(function=syntax.Name(name="distinct values"), arguments=(first,)):
                found = self.series(first, scope)
                return None if found is None or found.extras else found._replace(distinct=True)
        return None

    def of_each(self, node: syntax.Node, scope: Scope, rows: Rows) -> Series:
        """A straight line of one field: what can be summed, and has its least and its greatest."""
        node, scope = resolved(node, scope)
        if isinstance(node, syntax.Name):
            found = scope.find(node.name)
            if isinstance(found, RowOf) and not found.field:
                return Series(rows)
        name = self.field(node, scope)
        if name is not None:
            return _of_field(rows, name)
        value = self.constant(node, scope)
        if isinstance(value, Decimal):
            return Series(rows, "", Decimal(0), value)
        match node:
            case syntax.Negation():
                return _line(self.of_each(node.operand, scope, rows), Decimal(-1), Decimal(0))
            case syntax.Arithmetic(operator="+" | "-" | "*" | "/" as symbol):
                left, right = self.constant(node.left, scope), self.constant(node.right, scope)
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
        raise Outside("what it takes of each row is no plain sum of one field", node.span)


def _of_field(rows: Rows, name: str) -> Series:
    return Series(rows, name, Decimal(-1 if name in rows.collection.negated else 1))


def _line(series: Series, scale: Decimal, offset: Decimal) -> Series:
    return series._replace(scale=series.scale * scale, offset=series.offset * scale + offset)


def _divides_exactly(divisor: Decimal) -> bool:
    """Whether one over it has only a few digits, so that multiplying by that is the same."""
    if not divisor or len(divisor.as_tuple().digits) > 6:
        return False
    quotient = 1 / divisor
    return quotient * divisor == 1 and len(quotient.as_tuple().digits) <= 8
