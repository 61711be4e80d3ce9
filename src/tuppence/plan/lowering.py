"""Lowers the expressions of a rule to steps over columns, or reports why they do not fit.

One module because each method lowers one kind of node, and they call each other.
"""

import functools
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.facts.schema import FieldType
from tuppence.feel import syntax
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, Range, YearsDuration
from tuppence.plan.aggregates import FIELD_KINDS, Aggregates
from tuppence.plan.code import (
    Accumulator,
    AttributeReading,
    Code,
    RegisterType,
    Source,
    Value,
    power_of,
)
from tuppence.plan.instructions import FALSE, TRUE, Aggregation, Opcode, Rounding
from tuppence.plan.predicate_analysis import UNKNOWN, kind_of
from tuppence.plan.rows import RowPlanner, RowSelection
from tuppence.plan.scope import NotColumnar, Scope, SingleInputAbstraction, resolved, row_scope

MAX_REMEMBERED: Final = 1_024
"""Number of values of a field for which the answer of an expression is remembered."""
MAX_POSITION: Final = 8
"""Elements further from either end of a list are left to the interpreter."""

ROUNDINGS: Final = {
    "floor": Rounding.FLOOR,
    "ceiling": Rounding.CEILING,
    "decimal": Rounding.HALF_EVEN,
    "round half up": Rounding.HALF_UP,
    "round half down": Rounding.HALF_DOWN,
    "round up": Rounding.UP,
    "round down": Rounding.DOWN,
}
PARTS: Final = {
    "year": Opcode.YEAR,
    "month": Opcode.MONTH,
    "day": Opcode.DAY,
    "weekday": Opcode.WEEKDAY,
}


class Element(NamedTuple):
    """One element of a list of rows.

    Attributes:
        rows: The list.
        aggregation: The accumulator that keeps the element.
        position: Index of the element among the rows that are kept.
        column: Field that decides which row is kept; empty where the order decides.
    """

    rows: RowSelection
    aggregation: Aggregation
    position: int
    column: str = ""


class Lowering:
    """Lowers the expressions of one rule into steps.

    Args:
        planner: Finds the rows that expressions read; shared by all rules of a plan.
        code: The steps of the rule, which are added to.
    """

    def __init__(self, planner: RowPlanner, code: Code) -> None:
        self.planner = planner
        self.analyzer = planner.analyzer
        self.code = code
        self.aggregates = Aggregates(planner, code)

    # -- any value -------------------------------------------------------------------------------

    def value(self, node: syntax.Node, scope: Scope) -> Value:
        """Return the value of an expression.

        Raises:
            NotColumnar: The expression does not fit columns.
        """
        node, scope = resolved(node, scope)
        constant = self.analyzer.constant(node, scope)
        if constant is not UNKNOWN:
            return self.constant(constant, node)
        try:
            return self.built(node, scope)
        except NotColumnar:
            reading = self.reading(node, scope)
            if reading is None:
                raise
            return reading

    def built(self, node: syntax.Node, scope: Scope) -> Value:
        """Return the value of an expression that is not constant, built from its parts."""
        match node:
            case syntax.Name() | syntax.Path():
                return self.path(node, scope)
            case syntax.Filter():
                raise NotColumnar("a list, or a row of one, is not a single value", node.span)
            case syntax.Negation():
                operand = self.value(node.operand, scope)
                zero = self.code.zero_like(operand, node)
                return self.code.same_kind(Opcode.SUBTRACT, zero, operand)
            case syntax.Arithmetic():
                return self.arithmetic(node, scope)
            case syntax.Comparison() | syntax.Between() | syntax.In() | syntax.Logic():
                return self.condition(node, scope)
            case syntax.If():
                return self.choice(node, scope)
            case syntax.Quantified():
                return self.quantified(node, scope)
            case syntax.Call(function=syntax.Name(name=name)):
                return self.call(name, node, scope)
        raise NotColumnar("this form of expression cannot be evaluated in columns", node.span)

    def constant(self, value: Any, node: syntax.Node) -> Value:
        """Return the value of a constant."""
        match value:
            case None:
                return self.code.null()
            case bool():
                return self.code.truth(TRUE if value else FALSE)
            case Decimal():
                return self.code.constant(value)
            case str():
                return self.code.add(Source.CONSTANT, kind=RegisterType.TEXT, detail=value)
            case Date():
                return self.code.constant(value.day, RegisterType.DATE)
            case DaysDuration():
                days = Decimal(value.nanoseconds) / DAY_NANOSECONDS
                return self.code.constant(days, RegisterType.DAYS)
            case YearsDuration():
                return self.code.constant(value.months, RegisterType.MONTHS)
        raise NotColumnar("constants of this type cannot be evaluated in columns", node.span)

    def number(self, node: syntax.Node, scope: Scope) -> Value:
        """Return the value of an expression that must be a number."""
        found = self.value(node, scope)
        if found.kind not in {RegisterType.NUMBER, RegisterType.NULL}:
            raise NotColumnar(f"a {found.kind.value} where a number is expected", node.span)
        return found

    def truth(self, node: syntax.Node, scope: Scope) -> Value:
        """Return the value of an expression that must be a condition."""
        found = self.value(node, scope)
        if found.kind is RegisterType.NULL:
            return self.code.truth(0)
        if found.kind is not RegisterType.CONDITION:
            raise NotColumnar(f"a {found.kind.value} where a condition is expected", node.span)
        return found

    # -- what is read of the customer ------------------------------------------------------------

    def path(self, node: syntax.Node, scope: Scope) -> Value:
        """Return a field of the customer, of an element of a list, or of a date."""
        reference = SingleInputAbstraction(self.analyzer.model.attributes).reference(node, scope)
        if reference is not None and reference[0] != "row":
            return self.attribute(reference)
        if isinstance(node, syntax.Path):
            element = self.element(node.base, scope)
            if element is not None:
                return self.of_element(element, node)
            if node.name in PARTS:
                day = self.value(node.base, scope)
                if day.kind is RegisterType.DATE:
                    return self.code.add(PARTS[node.name], day)
            if node.name == "days":
                length = self.value(node.base, scope)
                if length.kind is RegisterType.DAYS:
                    return self.code.add(Opcode.ROUND, length, detail=Rounding.DOWN)
        raise NotColumnar("it is not a single value", node.span)

    def attribute(self, path: tuple[str, ...]) -> Value:
        """Return one of the customer's own fields."""
        field = self.analyzer.model.attributes[path]
        kind = FIELD_KINDS[field.kind]
        read = self.code.add(
            Source.READING, kind=kind, power=power_of(field), detail=AttributeReading(path, kind)
        )
        return self.code.in_main_unit(read, field)

    def reading(self, node: syntax.Node, scope: Scope) -> Value | None:
        """Return an expression over a single field of the customer, evaluated by the interpreter.

        None for an expression that reads anything else.
        """
        closing = SingleInputAbstraction(self.analyzer.model.attributes)
        try:
            closed = closing.close(node, scope)
        except NotColumnar:
            return None
        if len(closing.references) != 1:
            return None
        (path,) = closing.references
        field = self.analyzer.model.attributes.get(path)
        if field is None:
            return None
        answer = self.analyzer.answers(closed)
        kind = kind_of(answer, field)
        if kind is None:
            return None
        remembered = functools.lru_cache(MAX_REMEMBERED)(answer)
        reading = AttributeReading(path, kind, syntax.key(closed), remembered)
        return self.code.add(Source.READING, kind=kind, detail=reading)

    # -- elements of lists -----------------------------------------------------------------------

    def element(self, node: syntax.Node, scope: Scope) -> Element | None:
        """Return the element of a list that an expression selects; None if it selects none."""
        node, scope = resolved(node, scope)
        if not isinstance(node, syntax.Filter):
            return None
        position = self.planner.position(node.predicate, scope)
        if position is None or not 1 <= abs(position) <= MAX_POSITION:
            return None
        extreme = self.extreme(node.base, scope) if position == 1 else None
        if extreme is not None:
            return extreme
        rows = self.planner.rows(node.base, scope)
        if rows is None:
            return None
        aggregation = Aggregation.FIRST if position > 0 else Aggregation.LAST
        return Element(rows, aggregation, abs(position) - 1)

    def extreme(self, node: syntax.Node, scope: Scope) -> Element | None:
        """Return the element that `list[field = max(list.field)][1]` selects; `min` likewise."""
        node, scope = resolved(node, scope)
        if not isinstance(node, syntax.Filter) or not isinstance(node.predicate, syntax.Comparison):
            return None
        rows = self.planner.rows(node.base, scope)
        asked = node.predicate
        if rows is None or asked.operator != "=":
            return None
        inner = row_scope(rows.collection, "", scope)
        name = self.analyzer.field(asked.left, inner)
        right, scope = resolved(asked.right, inner)
        if (
            name is None
            or not isinstance(right, syntax.Call)
            or not isinstance(right.function, syntax.Name)
            or right.function.name not in {"min", "max"}
            or len(right.arguments) != 1
        ):
            return None
        series = self.planner.series(right.arguments[0], scope)
        field = rows.collection.table.fields[name]
        numeric = field.kind in {FieldType.MONEY, FieldType.NUMBER}
        if series is None or series.rows != rows or series.field != name or not numeric:
            return None
        if series.extras or abs(series.scale) != 1 or self.aggregates.may_be_null(rows, name):
            return None
        greatest = (right.function.name == "max") == (series.scale > 0)
        return Element(rows, Aggregation.ARGMAX if greatest else Aggregation.ARGMIN, 0, name)

    def of_element(self, element: Element, node: syntax.Path) -> Value:
        """Return a field of one element of a list; null where there is no such element."""
        rows, aggregation, position, column = element
        field = rows.collection.table.fields.get(node.name)
        if field is None:
            raise NotColumnar(f"there is no {node.name}", node.span)
        depth = MAX_POSITION if position else 1
        kept = Accumulator(rows.collection.table.name, rows.where, aggregation, column, depth)
        found = self.aggregates.read(kept, field, position)
        if node.name in rows.collection.negated:
            return self.code.same_kind(Opcode.SUBTRACT, self.code.zero_like(found, node), found)
        return found

    # -- operators -------------------------------------------------------------------------------

    def arithmetic(self, node: syntax.Arithmetic, scope: Scope) -> Value:
        """Return the result of `+`, `-`, `*` or `/` between numbers, dates and durations."""
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        symbol = str(node.operator)
        kinds = (left.kind, right.kind)
        if RegisterType.NULL in kinds:
            return self.code.null()
        match symbol, *kinds:
            case "+" | "-", RegisterType.NUMBER, RegisterType.NUMBER:
                left, right = self.code.aligned(left, right)
                return self.code.same_kind(
                    Opcode.ADD if symbol == "+" else Opcode.SUBTRACT, left, right
                )
            case "*", RegisterType.NUMBER, RegisterType.NUMBER:
                power = left.power + right.power
                return self.code.add(Opcode.MULTIPLY, left, right, power=power)
            case "/", RegisterType.NUMBER, RegisterType.NUMBER:
                return self.code.add(Opcode.DIVIDE, left, right, power=left.power - right.power)
            case "-", RegisterType.DATE, RegisterType.DATE:
                return self.code.add(Opcode.SUBTRACT, left, right, kind=RegisterType.DAYS)
            case "+" | "-", RegisterType.DATE, RegisterType.DAYS if self.is_whole(right):
                operation = Opcode.ADD if symbol == "+" else Opcode.SUBTRACT
                return self.code.add(operation, left, right, kind=RegisterType.DATE)
            case "+" | "-", RegisterType.DAYS, RegisterType.DAYS:
                return self.code.same_kind(
                    Opcode.ADD if symbol == "+" else Opcode.SUBTRACT, left, right
                )
            case "/", RegisterType.DAYS, RegisterType.DAYS:
                return self.code.add(Opcode.DIVIDE, left, right)
        raise NotColumnar(f"{symbol} between these types cannot be evaluated in columns", node.span)

    def is_whole(self, value: Value) -> bool:
        """Return whether a duration is certainly a whole number of days."""
        step = self.code.steps[value.step]
        if step.operation is Source.CONSTANT:
            number = step.detail[0]
            return bool(number == number.to_integral_value())
        return step.operation in {Opcode.SUBTRACT, Opcode.ADD} and all(
            self.code.steps[i].kind is RegisterType.DATE
            or self.is_whole(Value(i, RegisterType.DAYS))
            for i in step.arguments
        )

    def choice(self, node: syntax.If, scope: Scope) -> Value:
        """Return the value of `if … then … else …`."""
        condition = self.truth(node.condition, scope)
        then, otherwise = self.value(node.then, scope), self.value(node.otherwise, scope)
        if RegisterType.NULL not in {then.kind, otherwise.kind} and then.kind is not otherwise.kind:
            raise NotColumnar("then and else have different types", node.span)
        return self.code.select(condition, then, otherwise)

    # -- conditions ------------------------------------------------------------------------------

    def condition(self, node: syntax.Node, scope: Scope) -> Value:
        """Return the value of a comparison or of conditions joined by `and` and `or`."""
        match node:
            case syntax.Logic():
                operation = Opcode.AND if node.operator == "and" else Opcode.OR
                left, right = self.truth(node.left, scope), self.truth(node.right, scope)
                return self.code.add(operation, left, right, kind=RegisterType.CONDITION)
            case syntax.Comparison():
                empty = self.of_missing(node, scope)
                if empty is not None:
                    return empty
                left, right = self.value(node.left, scope), self.value(node.right, scope)
                return self.compared(str(node.operator), left, right, node)
            case syntax.Between():
                value = self.value(node.value, scope)
                low, high = self.value(node.low, scope), self.value(node.high, scope)
                above = self.compared(">=", value, low, node)
                below = self.compared("<=", value, high, node)
                return self.code.add(
                    Opcode.SELECT_CONDITION, above, below, above, kind=RegisterType.CONDITION
                )
            case syntax.In():
                value = self.value(node.value, scope)
                tests = [self.analyzer.constant(test, scope) for test in node.tests]
                found = [self.passes(value, test, node) for test in tests]
                whole = found[0]
                for other in found[1:]:
                    whole = self.code.add(Opcode.OR, whole, other, kind=RegisterType.CONDITION)
                return whole
        raise NotColumnar("this condition cannot be evaluated in columns", node.span)

    def of_missing(self, node: syntax.Comparison, scope: Scope) -> Value | None:
        """Return the value of `list[…][1] = null`, true where there is no such element."""
        if (
            node.operator not in {"=", "!="}
            or self.analyzer.constant(node.right, scope) is not None
        ):
            return None
        element = self.element(node.left, scope)
        if element is None:
            return None
        rows = element.rows
        count = self.aggregates.counted(rows.collection.table.name, rows.where)
        enough = self.code.less(self.code.constant(element.position), count)
        if node.operator == "!=":
            return enough
        return self.code.add(Opcode.NOT, enough, kind=RegisterType.CONDITION)

    def compared(self, symbol: str, left: Value, right: Value, node: syntax.Node) -> Value:
        """Return the value of one of the six comparisons."""
        if RegisterType.NULL in {left.kind, right.kind}:
            if symbol not in {"=", "!="}:
                return self.code.truth(0)
            found = self.code.is_null(right if left.kind is RegisterType.NULL else left)
        elif left.kind is not right.kind:
            raise NotColumnar(f"a {left.kind.value} compared with a {right.kind.value}", node.span)
        elif left.kind is RegisterType.CONDITION or (
            left.kind is RegisterType.TEXT and symbol not in {"=", "!="}
        ):
            raise NotColumnar(f"a {left.kind.value} compared with {symbol}", node.span)
        else:
            left, right = self.code.aligned(left, right)
            if symbol in {">", ">="}:
                left, right = right, left
            operation = {
                "<": Opcode.LESS,
                ">": Opcode.LESS,
                "=": Opcode.EQUAL,
                "!=": Opcode.EQUAL,
            }.get(symbol, Opcode.LESS_OR_EQUAL)
            found = self.code.add(operation, left, right, kind=RegisterType.CONDITION)
        return (
            self.code.add(Opcode.NOT, found, kind=RegisterType.CONDITION)
            if symbol == "!="
            else found
        )

    def passes(self, value: Value, test: Any, node: syntax.Node) -> Value:
        """Return the value of `value in test` for one constant test."""
        if isinstance(test, Range):
            ends: list[Value] = []
            both_ends = test.low is not None and test.high is not None
            if both_ends == test.unary:
                raise NotColumnar("this range cannot be evaluated in columns", node.span)
            if test.low is not None:
                symbol = ">=" if test.low_closed else ">"
                ends.append(self.compared(symbol, value, self.constant(test.low, node), node))
            if test.high is not None:
                symbol = "<=" if test.high_closed else "<"
                ends.append(self.compared(symbol, value, self.constant(test.high, node), node))
            if len(ends) == 1:
                return ends[0]
            return self.code.add(Opcode.AND, *ends, kind=RegisterType.CONDITION)
        if test is UNKNOWN or isinstance(test, list | bool):
            raise NotColumnar("the right side of `in` is not the same for all customers", node.span)
        return self.compared("=", value, self.constant(test, node), node)

    def quantified(self, node: syntax.Quantified, scope: Scope) -> Value:
        """Return the value of `some` or `every`, from counts of rows that are true and false."""
        if len(node.iterators) != 1 or node.iterators[0].until is not None:
            raise NotColumnar("it iterates over several lists at once", node.span)
        (binding,) = node.iterators
        rows = self.planner.rows(binding.source, scope)
        if rows is None:
            raise NotColumnar("it iterates over something other than rows of facts", node.span)
        inner = row_scope(rows.collection, binding.name, scope)
        decisive = node.quantifier == "some"
        counts = []
        for wanted in (frozenset({decisive}), frozenset[bool | None]({None})):
            passing = self.planner.filter(node.body, inner, rows.collection, wanted)
            where = self.planner.conjoin(rows.where, passing, node)
            count = self.aggregates.counted(rows.collection.table.name, where)
            counts.append(self.code.less(self.code.constant(0), count))
        decided, undecided = counts
        sure = self.code.truth(TRUE if decisive else FALSE)
        other = self.code.truth(FALSE if decisive else TRUE)
        rest = self.code.select(undecided, self.code.truth(0), other)
        return self.code.select(decided, sure, rest)

    # -- functions -------------------------------------------------------------------------------

    def call(self, name: str, node: syntax.Call, scope: Scope) -> Value:
        """Return the value of a call of a built-in function."""
        if node.names is not None:
            raise NotColumnar("named arguments cannot be evaluated in columns", node.span)
        arguments = node.arguments
        match name, len(arguments):
            case "not", 1:
                held = self.truth(arguments[0], scope)
                return self.code.add(Opcode.NOT, held, kind=RegisterType.CONDITION)
            case "abs", 1:
                number = self.number(arguments[0], scope)
                return self.code.add(Opcode.ABSOLUTE, number, power=number.power)
            case (("min" | "max"), n) if n > 1:
                return self.extreme_of([self.value(a, scope) for a in arguments], name, node)
            case (("count" | "sum" | "min" | "max" | "mean" | "median"), 1):
                series = self.planner.series(arguments[0], scope)
                if series is None:
                    raise NotColumnar("it is not a list of rows of facts", node.span)
                extras = [self.number(bound.node, bound.scope) for bound in series.extras]
                return self.aggregates.aggregate(name, series, extras, node)
            case (("sum" | "mean"), n) if n > 1:
                values = [self.number(argument, scope) for argument in arguments]
                total = self.code.added(values)
                return total if name == "sum" else self.code.divided(total, self.code.constant(n))
        if name in ROUNDINGS and 1 <= len(arguments) <= 2:
            return self.rounded(name, arguments, node, scope)
        raise NotColumnar(f"the function {name} cannot be evaluated in columns", node.span)

    def rounded(
        self, name: str, arguments: tuple[syntax.Node, ...], node: syntax.Call, scope: Scope
    ) -> Value:
        """Return a number rounded to a number of digits after the point."""
        number = self.code.plain(self.number(arguments[0], scope))
        digits = self.analyzer.constant(arguments[1], scope) if len(arguments) > 1 else Decimal(0)
        if number.kind is RegisterType.NULL:
            return number
        if not isinstance(digits, Decimal) or digits not in range(-6, 7):
            raise NotColumnar("the number of digits is not a small whole number", node.span)
        if not digits:
            return self.code.add(Opcode.ROUND, number, detail=ROUNDINGS[name])
        unit = self.code.constant(Decimal(10) ** abs(int(digits)))
        there, back = (
            (Opcode.MULTIPLY, Opcode.DIVIDE) if digits > 0 else (Opcode.DIVIDE, Opcode.MULTIPLY)
        )
        scaled = self.code.add(there, number, unit)
        return self.code.add(
            back, self.code.add(Opcode.ROUND, scaled, detail=ROUNDINGS[name]), unit
        )

    def extreme_of(self, values: list[Value], name: str, node: syntax.Node) -> Value:
        """Return the least or the greatest of values that are separate arguments."""
        kinds = {value.kind for value in values}
        if RegisterType.NULL in kinds:
            return self.code.null()
        if len(kinds) != 1 or not kinds <= {
            RegisterType.NUMBER,
            RegisterType.DATE,
            RegisterType.DAYS,
            RegisterType.MONTHS,
        }:
            raise NotColumnar("the values have different types", node.span)
        first, *others = self.code.aligned(*values)
        for other in others:
            first = self.code.same_kind(
                Opcode.MINIMUM if name == "min" else Opcode.MAXIMUM, first, other
            )
        return first
