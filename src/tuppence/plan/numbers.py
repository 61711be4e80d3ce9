"""Numbers and conditions as steps: units, sums, choices."""

from decimal import Decimal

from tuppence.facts.schema import Field
from tuppence.facts.schema import Kind as FieldKind
from tuppence.feel import syntax
from tuppence.plan import instructions as do
from tuppence.plan.code import Code, Kind, Source, Value
from tuppence.plan.scope import Outside


class Numbers:
    """Adds steps to the code of one rule.

    Args:
        code: Where the steps go.
    """

    def __init__(self, code: Code) -> None:
        self.code = code

    def null(self) -> Value:
        """Null."""
        return self.code.add(Source.CONSTANT, kind=Kind.NULL, detail=None)

    def in_main_unit(self, value: Value, field: Field) -> Value:
        """A number of a field that is kept with digits after the point."""
        if field.kind is not FieldKind.NUMBER or not field.decimals:
            return value
        return self.code.add(do.DIVIDE, value, self.code.constant(Decimal(10) ** field.decimals))

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

    def is_null(self, value: Value) -> Value:
        """Whether a value is null."""
        if value.kind is Kind.NULL:
            return self.code.truth(do.TRUE)
        operation = do.UNDECIDED if value.kind is Kind.CONDITION else do.IS_NULL
        return self.code.add(operation, value, kind=Kind.CONDITION)

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


def power_of(field: Field) -> int:
    """The power of the minor unit that a stored value of the field is a multiple of."""
    return 1 if field.kind is FieldKind.MONEY else 0
