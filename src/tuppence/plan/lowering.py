"""The expressions of a rule become steps over columns, or are found to be outside of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tuppence.facts.schema import Field
from tuppence.facts.schema import Kind as FieldKind
from tuppence.feel import Span, syntax
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, Range, YearsDuration
from tuppence.plan import instructions as do
from tuppence.plan.code import Accumulator, Code, Feature, Kind, Reading, Source, Value
from tuppence.plan.literals import Filter, OneOf, Ordered, asking
from tuppence.plan.rows import UNKNOWN, RowPlanner, Rows, Series, kind_of
from tuppence.plan.scope import Closing, Outside, Scope, resolved, row_scope

DEEPEST: Final = 8
"""So many rows from either end of a list are kept at most."""

FIELD_KINDS: Final[Mapping[FieldKind, Kind]] = {
    FieldKind.MONEY: Kind.NUMBER,
    FieldKind.NUMBER: Kind.NUMBER,
    FieldKind.DATE: Kind.DATE,
    FieldKind.TEXT: Kind.TEXT,
    FieldKind.BOOLEAN: Kind.CONDITION,
}
ROUNDINGS: Final = {
    "floor": do.FLOOR,
    "ceiling": do.CEILING,
    "decimal": do.HALF_EVEN,
    "round half up": do.HALF_UP,
    "round half down": do.HALF_DOWN,
    "round up": do.UP,
    "round down": do.DOWN,
}
PARTS: Final = {"year": do.YEAR, "month": do.MONTH, "day": do.DAY, "weekday": do.WEEKDAY}


class Lowering:
    """Lowers the expressions of one rule into one code.

    Args:
        planner: Of rows; shared by all rules of a plan.
        code: Where the steps go.
    """

    def __init__(self, planner: RowPlanner, code: Code) -> None:
        self.planner = planner
        self.code = code

    # -- any value -------------------------------------------------------------------------------

    def value(self, node: syntax.Node, scope: Scope) -> Value:
        """The value of an expression.

        Raises:
            Outside: It does not fit the columns.
        """
        node, scope = resolved(node, scope)
        constant = self.planner.constant(node, scope)
        if constant is not UNKNOWN:
            return self.constant(constant, node)
        try:
            return self.built(node, scope)
        except Outside:
            reading = self.reading(node, scope)
            if reading is None:
                raise
            return reading

    def built(self, node: syntax.Node, scope: Scope) -> Value:
        """The value of an expression that is not constant, out of its parts."""
        match node:
            case syntax.Name() | syntax.Path():
                return self.path(node, scope)
            case syntax.Filter():
                raise Outside("a list or an element of one is no single value", node.span)
            case syntax.Negation():
                operand = self.value(node.operand, scope)
                zero = self.zero_like(operand, node)
                return self.same_kind(do.SUBTRACT, zero, operand)
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
        raise Outside("this form of expression is not for columns", node.span)

    def constant(self, value: Any, node: syntax.Node) -> Value:
        """A FEEL value that is the same for everybody."""
        match value:
            case None:
                return self.null()
            case bool():
                return self.code.truth(do.TRUE if value else do.FALSE)
            case Decimal():
                return self.code.constant(value)
            case str():
                return self.code.add(Source.CONSTANT, kind=Kind.TEXT, detail=value)
            case Date():
                return self.code.constant(value.day, Kind.DATE)
            case DaysDuration():
                days = Decimal(value.nanoseconds) / DAY_NANOSECONDS
                return self.code.constant(days, Kind.DAYS)
            case YearsDuration():
                return self.code.constant(value.months, Kind.MONTHS)
        raise Outside("a constant of this type is not for columns", node.span)

    def null(self) -> Value:
        """Null."""
        return self.code.add(Source.CONSTANT, kind=Kind.NULL, detail=None)

    def number(self, node: syntax.Node, scope: Scope) -> Value:
        """A value that must be a number."""
        found = self.value(node, scope)
        if found.kind not in {Kind.NUMBER, Kind.NULL}:
            raise Outside(f"a {found.kind.value} where a number is expected", node.span)
        return found

    def truth(self, node: syntax.Node, scope: Scope) -> Value:
        """A value that must be a condition."""
        found = self.value(node, scope)
        if found.kind is Kind.NULL:
            return self.code.truth(0)
        if found.kind is not Kind.CONDITION:
            raise Outside(f"a {found.kind.value} where a condition is expected", node.span)
        return found

    # -- what is read of the customer ------------------------------------------------------------

    def path(self, node: syntax.Node, scope: Scope) -> Value:
        """A field of the customer, of an element of a list, or of a date."""
        reference = Closing(self.planner.model.attributes).reference(node, scope)
        if reference is not None and reference[0] != "row":
            return self.attribute(reference)
        if isinstance(node, syntax.Path):
            element = self.element(node.base, scope)
            if element is not None:
                return self.of_element(*element, node)
            if node.name in PARTS:
                day = self.value(node.base, scope)
                if day.kind is Kind.DATE:
                    return self.code.add(PARTS[node.name], day)
            if node.name == "days":
                length = self.value(node.base, scope)
                if length.kind is Kind.DAYS:
                    return self.code.add(do.ROUND, length, detail=do.DOWN)
        raise Outside("it is no single value", node.span)

    def attribute(self, path: tuple[str, ...]) -> Value:
        """One of the customer's own fields."""
        field = self.planner.model.attributes[path]
        kind = FIELD_KINDS[field.kind]
        read = self.code.add(
            Source.READING, kind=kind, power=_power(field), detail=Reading(path, kind)
        )
        return self.in_main_unit(read, field)

    def in_main_unit(self, value: Value, field: Field) -> Value:
        """A number of a field that is kept with digits after the point."""
        if field.kind is not FieldKind.NUMBER or not field.decimals:
            return value
        return self.code.add(do.DIVIDE, value, self.code.constant(Decimal(10) ** field.decimals))

    def reading(self, node: syntax.Node, scope: Scope) -> Value | None:
        """A value that depends on one of the customer's fields alone, by the interpreter."""
        closing = Closing(self.planner.model.attributes)
        try:
            closed = closing.close(node, scope)
        except Outside:
            return None
        if len(closing.references) != 1:
            return None
        (path,) = closing.references
        field = self.planner.model.attributes.get(path)
        if field is None:
            return None
        answer = self.planner.answers(closed)
        kind = kind_of(answer, field)
        if kind is None:
            return None
        reading = Reading(path, kind, syntax.key(closed), answer)
        return self.code.add(Source.READING, kind=kind, detail=reading)

    # -- elements of lists -----------------------------------------------------------------------

    def element(self, node: syntax.Node, scope: Scope) -> tuple[Rows, int, int, str] | None:
        """Rows, what keeps the element, its position among those kept, a column to look at."""
        node, scope = resolved(node, scope)
        if not isinstance(node, syntax.Filter):
            return None
        position = self.planner.position(node.predicate, scope)
        if position is None or not 1 <= abs(position) <= DEEPEST:
            return None
        extreme = self.extreme(node.base, scope) if position == 1 else None
        if extreme is not None:
            return extreme
        rows = self.planner.rows(node.base, scope)
        if rows is None:
            return None
        return rows, do.FIRST if position > 0 else do.LAST, abs(position) - 1, ""

    def extreme(self, node: syntax.Node, scope: Scope) -> tuple[Rows, int, int, str] | None:
        """`list[field = max(list.field)]`: the rows with the greatest value, or the least."""
        node, scope = resolved(node, scope)
        if not isinstance(node, syntax.Filter) or not isinstance(node.predicate, syntax.Comparison):
            return None
        rows = self.planner.rows(node.base, scope)
        asked = node.predicate
        if rows is None or asked.operator != "=":
            return None
        inner = row_scope(rows.collection, "", scope)
        name = self.planner.field(asked.left, inner)
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
        numeric = field.kind in {FieldKind.MONEY, FieldKind.NUMBER}
        if series is None or series.rows != rows or series.field != name or not numeric:
            return None
        if series.extras or abs(series.scale) != 1 or self.may_be_null(rows, name):
            return None
        greatest = (right.function.name == "max") == (series.scale > 0)
        return rows, do.GREATEST_ROW if greatest else do.LEAST_ROW, 0, name

    def of_element(
        self, rows: Rows, operation: int, position: int, column: str, node: syntax.Path
    ) -> Value:
        """A field of one element of a list; null where there is no such element."""
        field = rows.collection.table.fields.get(node.name)
        if field is None:
            raise Outside(f"there is no {node.name}", node.span)
        depth = DEEPEST if position else 1
        kept = Accumulator(rows.collection.table.name, rows.where, operation, column, depth)
        found = self.read(kept, field, position)
        if node.name in rows.collection.negated:
            return self.same_kind(do.SUBTRACT, self.zero_like(found, node), found)
        return found

    def read(self, kept: Accumulator, field: Field, position: int = 0) -> Value:
        """A field of a row that an accumulator keeps."""
        kind = FIELD_KINDS[field.kind]
        part = {
            Kind.NUMBER: do.NUMBER_AT,
            Kind.DATE: do.CODE_AT,
            Kind.TEXT: do.TEXT_AT,
            Kind.CONDITION: do.CODE_AT,
        }[kind]
        feature = Feature(kept, part, field.name, position)
        if kind is not Kind.CONDITION:
            found = self.code.add(Source.FEATURE, kind=kind, power=_power(field), detail=feature)
            return self.in_main_unit(found, field)
        if field.nullable:
            raise Outside("a boolean that can be missing", Span(0, 0))
        flag = self.code.add(Source.FEATURE, detail=feature)
        return self.code.add(do.LESS, self.code.constant(0), flag, kind=Kind.CONDITION)

    def may_be_null(self, rows: Rows, name: str) -> bool:
        """Whether a row that passes the filter can have null in a field."""
        field = rows.collection.table.fields[name]
        return field.nullable and bool(self.null_rows(rows, name))

    def null_rows(self, rows: Rows, name: str) -> Filter:
        """The rows that have null in a field."""
        ordered = FIELD_KINDS[rows.collection.table.fields[name].kind] in {Kind.NUMBER, Kind.DATE}
        null = Ordered((), null=True) if ordered else OneOf(frozenset({None}))
        return self.planner.both(rows.where, asking(name, null), syntax.Name(Span(0, 0), name))

    # -- operators -------------------------------------------------------------------------------

    def arithmetic(self, node: syntax.Arithmetic, scope: Scope) -> Value:
        """+ - * / between numbers, dates and durations."""
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        symbol = str(node.operator)
        kinds = (left.kind, right.kind)
        if Kind.NULL in kinds:
            return self.null()
        match symbol, *kinds:
            case "+" | "-", Kind.NUMBER, Kind.NUMBER:
                left, right = self.aligned(left, right)
                return self.same_kind(do.ADD if symbol == "+" else do.SUBTRACT, left, right)
            case "*", Kind.NUMBER, Kind.NUMBER:
                power = left.power + right.power
                return self.code.add(do.MULTIPLY, left, right, power=power)
            case "/", Kind.NUMBER, Kind.NUMBER:
                return self.code.add(do.DIVIDE, left, right, power=left.power - right.power)
            case "-", Kind.DATE, Kind.DATE:
                return self.code.add(do.SUBTRACT, left, right, kind=Kind.DAYS)
            case "+" | "-", Kind.DATE, Kind.DAYS if self.is_whole(right):
                operation = do.ADD if symbol == "+" else do.SUBTRACT
                return self.code.add(operation, left, right, kind=Kind.DATE)
            case "+" | "-", Kind.DAYS, Kind.DAYS:
                return self.same_kind(do.ADD if symbol == "+" else do.SUBTRACT, left, right)
            case "/", Kind.DAYS, Kind.DAYS:
                return self.code.add(do.DIVIDE, left, right)
        raise Outside(f"{symbol} between these two is not for columns", node.span)

    def is_whole(self, value: Value) -> bool:
        """Whether a duration is surely a number of whole days."""
        step = self.code.steps[value.step]
        if step.operation is Source.CONSTANT:
            number = step.detail[0]
            return bool(number == number.to_integral_value())
        return step.operation in {do.SUBTRACT, do.ADD} and all(
            self.code.steps[i].kind is Kind.DATE or self.is_whole(Value(i, Kind.DAYS))
            for i in step.arguments
        )

    def same_kind(self, operation: int, left: Value, right: Value) -> Value:
        """An instruction whose result is what its left side is."""
        return self.code.add(operation, left, right, kind=left.kind, power=left.power)

    def zero_like(self, value: Value, node: syntax.Node) -> Value:
        """Zero in the unit of a value."""
        if value.kind not in {Kind.NUMBER, Kind.DAYS}:
            raise Outside(f"- before a {value.kind.value}", node.span)
        return self.code.constant(0, value.kind, value.power)

    def aligned(self, *values: Value) -> tuple[Value, ...]:
        """Numbers in the same unit; constants take the unit of the others."""
        wanted = max((v.power for v in values if v.kind is Kind.NUMBER), default=0)
        return tuple(self.in_unit(value, wanted) for value in values)

    def in_unit(self, value: Value, power: int) -> Value:
        """A number as a multiple of the minor unit to a power."""
        if value.kind is not Kind.NUMBER or value.power == power:
            return value
        step = self.code.steps[value.step]
        if step.operation is Source.CONSTANT:
            return self.code.constant(step.detail[0], power=power)
        unit = self.code.constant(1, power=power - value.power)
        return self.code.add(do.MULTIPLY, value, unit, power=power)

    def plain(self, value: Value) -> Value:
        """A number in the main unit of the currency."""
        if value.power < 0:
            return self.in_unit(value, 0)
        step = self.code.steps[value.step]
        if value.power == 0 or step.operation is Source.CONSTANT:
            return self.in_unit(value, 0)
        unit = self.code.constant(1, power=value.power)
        return self.code.add(do.DIVIDE, value, unit)

    def select(self, condition: Value, left: Value, right: Value) -> Value:
        """Left where the condition is true, else right."""
        step = self.code.steps[condition.step]
        if step.operation is Source.KNOWN:
            return left if step.detail == do.TRUE else right
        if left.kind is Kind.NULL and right.kind is Kind.NULL:
            return left
        kind = right.kind if left.kind is Kind.NULL else left.kind
        if kind is Kind.CONDITION:
            sides = [self.code.truth(0) if v.kind is Kind.NULL else v for v in (left, right)]
            return self.code.add(do.CHOOSE, condition, *sides, kind=kind)
        left, right = self.aligned(left, right)
        power = max(left.power, right.power)
        return self.code.add(do.SELECT, condition, left, right, kind=kind, power=power)

    def choice(self, node: syntax.If, scope: Scope) -> Value:
        """if, then, else."""
        condition = self.truth(node.condition, scope)
        then, otherwise = self.value(node.then, scope), self.value(node.otherwise, scope)
        if Kind.NULL not in {then.kind, otherwise.kind} and then.kind is not otherwise.kind:
            raise Outside("then and else are of different types", node.span)
        return self.select(condition, then, otherwise)

    # -- conditions ------------------------------------------------------------------------------

    def condition(self, node: syntax.Node, scope: Scope) -> Value:
        """A comparison, or conditions put together."""
        match node:
            case syntax.Logic():
                operation = do.AND if node.operator == "and" else do.OR
                left, right = self.truth(node.left, scope), self.truth(node.right, scope)
                return self.code.add(operation, left, right, kind=Kind.CONDITION)
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
                return self.code.add(do.CHOOSE, above, below, above, kind=Kind.CONDITION)
            case syntax.In():
                value = self.value(node.value, scope)
                tests = [self.planner.constant(test, scope) for test in node.tests]
                found = [self.passes(value, test, node) for test in tests]
                whole = found[0]
                for other in found[1:]:
                    whole = self.code.add(do.OR, whole, other, kind=Kind.CONDITION)
                return whole
        raise Outside("this condition is not for columns", node.span)

    def of_missing(self, node: syntax.Comparison, scope: Scope) -> Value | None:
        """`list[…][1] = null`: whether there is no such element."""
        if node.operator not in {"=", "!="} or self.planner.constant(node.right, scope) is not None:
            return None
        element = self.element(node.left, scope)
        if element is None:
            return None
        rows, _, position, _ = element
        count = self.counted(rows.collection.table.name, rows.where)
        enough = self.code.add(do.LESS, self.code.constant(position), count, kind=Kind.CONDITION)
        if node.operator == "!=":
            return enough
        return self.code.add(do.NOT, enough, kind=Kind.CONDITION)

    def compared(self, symbol: str, left: Value, right: Value, node: syntax.Node) -> Value:
        """One of the six comparisons."""
        if Kind.NULL in {left.kind, right.kind}:
            if symbol not in {"=", "!="}:
                return self.code.truth(0)
            found = self.is_null(right if left.kind is Kind.NULL else left)
        elif left.kind is not right.kind:
            raise Outside(f"a {left.kind.value} compared with a {right.kind.value}", node.span)
        elif left.kind is Kind.CONDITION or (left.kind is Kind.TEXT and symbol not in {"=", "!="}):
            raise Outside(f"a {left.kind.value} compared with {symbol}", node.span)
        else:
            left, right = self.aligned(left, right)
            if symbol in {">", ">="}:
                left, right = right, left
            operation = {"<": do.LESS, ">": do.LESS, "=": do.EQUAL, "!=": do.EQUAL}.get(
                symbol, do.LESS_OR_EQUAL
            )
            found = self.code.add(operation, left, right, kind=Kind.CONDITION)
        return self.code.add(do.NOT, found, kind=Kind.CONDITION) if symbol == "!=" else found

    def is_null(self, value: Value) -> Value:
        """Whether a value is null."""
        if value.kind is Kind.NULL:
            return self.code.truth(do.TRUE)
        operation = do.UNDECIDED if value.kind is Kind.CONDITION else do.IS_NULL
        return self.code.add(operation, value, kind=Kind.CONDITION)

    def passes(self, value: Value, test: Any, node: syntax.Node) -> Value:
        """`value in test` for one constant test."""
        if isinstance(test, Range):
            ends: list[Value] = []
            both_ends = test.low is not None and test.high is not None
            if both_ends == test.unary:
                raise Outside("this range is not for columns", node.span)
            if test.low is not None:
                symbol = ">=" if test.low_closed else ">"
                ends.append(self.compared(symbol, value, self.constant(test.low, node), node))
            if test.high is not None:
                symbol = "<=" if test.high_closed else "<"
                ends.append(self.compared(symbol, value, self.constant(test.high, node), node))
            if len(ends) == 1:
                return ends[0]
            return self.code.add(do.AND, *ends, kind=Kind.CONDITION)
        if test is UNKNOWN or isinstance(test, list | bool):
            raise Outside("what it is to be in is not the same for all customers", node.span)
        return self.compared("=", value, self.constant(test, node), node)

    def quantified(self, node: syntax.Quantified, scope: Scope) -> Value:
        """Some and every, by how many rows are true and how many false."""
        if len(node.iterators) != 1 or node.iterators[0].until is not None:
            raise Outside("it goes through several lists at once", node.span)
        (binding,) = node.iterators
        rows = self.planner.rows(binding.source, scope)
        if rows is None:
            raise Outside("it goes through something other than rows of facts", node.span)
        inner = row_scope(rows.collection, binding.name, scope)
        decisive = node.quantifier == "some"
        counts = []
        for wanted in (frozenset({decisive}), frozenset[bool | None]({None})):
            passing = self.planner.filter(node.body, inner, rows.collection, wanted)
            where = self.planner.both(rows.where, passing, node)
            count = self.counted(rows.collection.table.name, where)
            counts.append(self.code.add(do.LESS, self.code.constant(0), count, kind=Kind.CONDITION))
        decided, undecided = counts
        sure = self.code.truth(do.TRUE if decisive else do.FALSE)
        other = self.code.truth(do.FALSE if decisive else do.TRUE)
        rest = self.select(undecided, self.code.truth(0), other)
        return self.select(decided, sure, rest)

    # -- functions -------------------------------------------------------------------------------

    def call(self, name: str, node: syntax.Call, scope: Scope) -> Value:
        """A built-in function."""
        if node.names is not None:
            raise Outside("arguments given by name", node.span)
        arguments = node.arguments
        match name, len(arguments):
            case "not", 1:
                held = self.truth(arguments[0], scope)
                return self.code.add(do.NOT, held, kind=Kind.CONDITION)
            case "abs", 1:
                number = self.number(arguments[0], scope)
                return self.code.add(do.ABSOLUTE, number, power=number.power)
            case (("min" | "max"), n) if n > 1:
                return self.extreme_of([self.value(a, scope) for a in arguments], name, node)
            case (("count" | "sum" | "min" | "max" | "mean" | "median"), 1):
                series = self.planner.series(arguments[0], scope)
                if series is None:
                    raise Outside("it is no list of rows of facts", node.span)
                return self.aggregate(name, series, node)
            case (("sum" | "mean"), n) if n > 1:
                values = [self.number(argument, scope) for argument in arguments]
                total = self.added(values)
                return total if name == "sum" else self.divided(total, self.code.constant(n))
        if name in ROUNDINGS and 1 <= len(arguments) <= 2:
            return self.rounded(name, arguments, node, scope)
        raise Outside(f"the function {name} is not for columns", node.span)

    def rounded(
        self, name: str, arguments: tuple[syntax.Node, ...], node: syntax.Call, scope: Scope
    ) -> Value:
        """A number rounded to digits after the point."""
        number = self.plain(self.number(arguments[0], scope))
        digits = self.planner.constant(arguments[1], scope) if len(arguments) > 1 else Decimal(0)
        if number.kind is Kind.NULL:
            return number
        if not isinstance(digits, Decimal) or digits not in range(-6, 7):
            raise Outside("digits that are not a small whole number", node.span)
        if not digits:
            return self.code.add(do.ROUND, number, detail=ROUNDINGS[name])
        unit = self.code.constant(Decimal(10) ** abs(int(digits)))
        there, back = (do.MULTIPLY, do.DIVIDE) if digits > 0 else (do.DIVIDE, do.MULTIPLY)
        scaled = self.code.add(there, number, unit)
        return self.code.add(back, self.code.add(do.ROUND, scaled, detail=ROUNDINGS[name]), unit)

    def extreme_of(self, values: list[Value], name: str, node: syntax.Node) -> Value:
        """The least or the greatest of values given one by one."""
        kinds = {value.kind for value in values}
        if Kind.NULL in kinds:
            return self.null()
        if len(kinds) != 1 or not kinds <= {Kind.NUMBER, Kind.DATE, Kind.DAYS, Kind.MONTHS}:
            raise Outside("values of several types", node.span)
        first, *others = self.aligned(*values)
        for other in others:
            first = self.same_kind(do.LEAST if name == "min" else do.GREATEST, first, other)
        return first

    def added(self, values: list[Value]) -> Value:
        """The sum of values given one by one."""
        if any(value.kind is Kind.NULL for value in values):
            return self.null()
        first, *others = self.aligned(*values)
        for other in others:
            first = self.same_kind(do.ADD, first, other)
        return first

    def divided(self, total: Value, count: Value) -> Value:
        """A sum by a count; null where the count is zero."""
        if total.kind is Kind.NULL:
            return total
        return self.code.add(do.DIVIDE, total, count, power=total.power)

    # -- aggregates ------------------------------------------------------------------------------

    def counted(self, table: str, where: Filter) -> Value:
        """How many rows pass a filter."""
        if not where:
            return self.code.constant(0)
        return self.code.add(
            Source.FEATURE, detail=Feature(Accumulator(table, where, do.PLAIN), do.COUNTED)
        )

    def aggregate(self, name: str, series: Series, node: syntax.Node) -> Value:
        """What a function makes of a list."""
        rows = series.rows
        table = rows.collection.table
        count = self.counted(table.name, rows.where)
        if name == "count":
            if series.distinct:
                return self.distinct(series, node)
            return self.added([count, self.code.constant(len(series.extras))])
        extras = [self.number(bound.node, bound.scope) for bound in series.extras]
        if series.distinct or (extras and name not in {"sum", "mean"}):
            raise Outside(f"{name} of this list is not for columns", node.span)
        if not series.scale:
            return self.of_constant(name, series, count, extras)
        field = table.fields.get(series.field)
        if field is None:
            raise Outside(f"{name} of whole rows", node.span)
        if field.kind is FieldKind.DATE and name in {"min", "max"} and field.name == table.order:
            operation = do.FIRST if name == "min" else do.LAST
            return self.read(Accumulator(table.name, rows.where, operation), field)
        if field.kind not in {FieldKind.MONEY, FieldKind.NUMBER}:
            raise Outside(f"{name} of a field that is no number", node.span)
        found = self.of_numbers(name, series, field, count, extras)
        if not self.may_be_null(rows, field.name):
            return found
        missing = self.counted(table.name, self.null_rows(rows, field.name))
        some = self.code.add(do.LESS, self.code.constant(0), missing, kind=Kind.CONDITION)
        return self.select(some, self.null(), found)

    def of_numbers(
        self, name: str, series: Series, field: Field, count: Value, extras: list[Value]
    ) -> Value:
        """Sums, means, extremes and medians of a field."""
        rows, table = series.rows, series.rows.collection.table
        power = _power(field)
        if name in {"min", "max"}:
            greatest = (name == "max") == (series.scale > 0)
            operation = do.GREATEST_ROW if greatest else do.LEAST_ROW
            kept = Accumulator(table.name, rows.where, operation, field.name)
            return self.on_line(self.read(kept, field), series)
        if name == "median":
            kept = Accumulator(table.name, rows.where, do.VALUES, field.name)
            twice = self.code.add(
                Source.FEATURE, power=power, detail=Feature(kept, do.MEDIAN, field.name)
            )
            middle = self.code.add(do.DIVIDE, twice, self.code.constant(2), power=power)
            return self.on_line(self.in_main_unit(middle, field), series)
        plain = field.name == table.main
        kept = Accumulator(
            table.name, rows.where, do.PLAIN if plain else do.SUM, "" if plain else field.name
        )
        total = self.code.add(Source.FEATURE, power=power, detail=Feature(kept, do.SUMMED))
        total = self.in_main_unit(total, field)
        if series.scale != 1:
            total = self.scaled(total, series.scale)
        if series.offset:
            shift = self.code.add(do.MULTIPLY, count, self.code.constant(series.offset))
            total = self.added([total, shift])
        if extras:
            total = self.added([total, *extras])
            count = self.added([count, self.code.constant(len(extras))])
        if name == "mean":  # of nothing: division by zero, which is null
            return self.divided(total, count)
        return total if extras else self.unless_empty(count, total)

    def scaled(self, value: Value, scale: Decimal) -> Value:
        """A number times a constant."""
        if scale == -1:
            return self.same_kind(do.SUBTRACT, self.code.constant(0, power=value.power), value)
        return self.code.add(do.MULTIPLY, value, self.code.constant(scale), power=value.power)

    def on_line(self, value: Value, series: Series) -> Value:
        """An extreme or a middle value, taken along the line that the elements are on."""
        found = value if series.scale == 1 else self.scaled(value, series.scale)
        if not series.offset:
            return found
        return self.added([found, self.code.constant(series.offset)])

    def unless_empty(self, count: Value, value: Value) -> Value:
        """A value, null where nothing was counted."""
        some = self.code.add(do.LESS, self.code.constant(0), count, kind=Kind.CONDITION)
        return self.select(some, value, self.null())

    def of_constant(self, name: str, series: Series, count: Value, extras: list[Value]) -> Value:
        """Aggregates of a list that has the same number in every place."""
        each = self.code.constant(series.offset)
        if name in {"min", "max", "median"}:
            return self.unless_empty(count, each)
        total = self.code.add(do.MULTIPLY, count, each)
        if extras:
            total = self.added([total, *extras])
            count = self.added([count, self.code.constant(len(extras))])
        if name == "mean":
            return self.divided(total, count)
        return total if extras else self.unless_empty(count, total)

    def distinct(self, series: Series, node: syntax.Node) -> Value:
        """How many different values a field has; null counts as one."""
        rows, table = series.rows, series.rows.collection.table
        field = table.fields.get(series.field)
        if field is None or not series.scale:
            raise Outside("how many different rows there are is not for columns", node.span)
        numeric = FIELD_KINDS[field.kind] is Kind.NUMBER
        operation = do.VALUES if numeric else do.DISTINCT
        kept = Accumulator(table.name, rows.where, operation, field.name)
        part = do.DIFFERENT if numeric else do.COUNTED
        return self.code.add(Source.FEATURE, detail=Feature(kept, part, field.name))


def _power(field: Field) -> int:
    return 1 if field.kind is FieldKind.MONEY else 0
