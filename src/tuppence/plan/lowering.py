"""The expressions of a rule become steps over columns, or are found to be outside of them."""

from decimal import Decimal
from typing import Any, Final

from tuppence.facts.schema import Kind as FieldKind
from tuppence.feel import syntax
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, Range, YearsDuration
from tuppence.plan import instructions as do
from tuppence.plan.aggregates import FIELD_KINDS, Aggregates
from tuppence.plan.asking import UNKNOWN, kind_of
from tuppence.plan.code import Accumulator, Kind, Reading, Source, Value
from tuppence.plan.numbers import power_of
from tuppence.plan.rows import Rows
from tuppence.plan.scope import Closing, Outside, Scope, resolved, row_scope

DEEPEST: Final = 8
"""So many rows from either end of a list are kept at most."""

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


class Lowering(Aggregates):
    """Lowers the expressions of one rule into its code."""

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
            Source.READING, kind=kind, power=power_of(field), detail=Reading(path, kind)
        )
        return self.in_main_unit(read, field)

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
                extras = [self.number(bound.node, bound.scope) for bound in series.extras]
                return self.aggregate(name, series, extras, node)
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
