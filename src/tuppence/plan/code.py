"""Builds the steps of one rule while it is planned; equal values share one step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from tuppence.facts.schema import Field, FieldType
from tuppence.feel import syntax
from tuppence.plan.instructions import TRUE, Aggregation, Opcode, Readout
from tuppence.plan.predicates import RowFilter
from tuppence.plan.scope import NotColumnar


class RegisterType(Enum):
    """The type of a register, and the unit of its values."""

    NUMBER = "number"
    DATE = "date"  # days since 1970-01-01
    DAYS = "days and time duration"  # days
    MONTHS = "years and months duration"  # months
    TEXT = "text"  # number of the text
    CONDITION = "condition"
    NULL = "null"


class Value(NamedTuple):
    """The result of a step.

    Attributes:
        step: Number of the step.
        kind: Type of the result.
        power: A number is a multiple of the currency's minor unit to this power: 1 for money, 0
            for a count, -1 for a number divided by money.
    """

    step: int
    kind: RegisterType
    power: int = 0


class Source(Enum):
    """The origin of a value that no instruction computes."""

    CONSTANT = "constant"  # (Decimal, power), or the text
    FEATURE = "feature"  # Feature
    READING = "reading"  # AttributeReading
    KNOWN = "known"  # the bits of a condition


class Accumulator(NamedTuple):
    """An aggregate over some rows of each customer.

    Attributes:
        table: Name of the table.
        where: Filter that rows must pass.
        aggregation: The way in which the rows are combined.
        column: Name of the field that is aggregated; empty where none is needed.
        depth: Number of rows that FIRST and LAST keep.
    """

    table: str
    where: RowFilter
    aggregation: Aggregation
    column: str = ""
    depth: int = 1


class Feature(NamedTuple):
    """A number, a day or a text that is read from an accumulator.

    Attributes:
        accumulator: The accumulator.
        readout: The value that is read.
        column: Name of the field that is read from a kept row.
        position: Index of the kept row, from 0.
    """

    accumulator: Accumulator
    readout: Readout
    column: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class AttributeReading:
    """One of the customer's own fields, or an expression over that field alone.

    Attributes:
        path: Path of the field.
        kind: Type of the value.
        key: Key of the expression; None for the field itself.
        answer: Evaluates the expression for a FEEL value of the field; None for the field itself.
    """

    path: tuple[str, ...]
    kind: RegisterType
    key: Any = None
    answer: Callable[[Any], Any] | None = field(default=None, compare=False)


class Step(NamedTuple):
    """An instruction, or a value that comes from outside the program.

    Attributes:
        operation: The instruction, or the origin of the value.
        arguments: Steps that it uses, each before this one.
        detail: For ROUND the rounding; for a source the value named in `Source`.
        kind: Type of the result.
    """

    operation: Opcode | Source
    arguments: tuple[int, ...]
    detail: Any
    kind: RegisterType


@dataclass(slots=True)
class Code:
    """Builds the steps of a rule; adding a step that already exists returns the existing one.

    >>> code = Code()
    >>> two = code.constant(2)
    >>> code.add(Opcode.ADD, two, two) == code.add(Opcode.ADD, two, two)
    True
    """

    steps: list[Step] = field(default_factory=list)
    known: dict[Step, int] = field(default_factory=dict)

    def add(
        self,
        operation: Opcode | Source,
        *arguments: Value,
        kind: RegisterType = RegisterType.NUMBER,
        power: int = 0,
        detail: Any = None,
    ) -> Value:
        """Return the value of a step, adding the step unless it exists."""
        step = Step(operation, tuple(value.step for value in arguments), detail, kind)
        index = self.known.get(step)
        if index is None:
            index = self.known[step] = len(self.steps)
            self.steps.append(step)
        return Value(index, kind, power)

    def needed(self, kept: list[Value]) -> list[int]:
        """Return the steps on which some values depend, in their order."""
        needed = {value.step for value in kept}
        for index in range(len(self.steps) - 1, -1, -1):
            if index in needed:
                needed.update(self.steps[index].arguments)
        return sorted(needed)

    # -- constants -------------------------------------------------------------------------------

    def constant(
        self, number: Decimal | int, kind: RegisterType = RegisterType.NUMBER, power: int = 0
    ) -> Value:
        """Return a number, in units of the minor unit to a power."""
        detail = (Decimal(number), power)
        return self.add(Source.CONSTANT, kind=kind, power=power, detail=detail)

    def truth(self, bits: int) -> Value:
        """Return a condition that is the same for every customer."""
        return self.add(Source.KNOWN, kind=RegisterType.CONDITION, detail=bits)

    def null(self) -> Value:
        """Return null."""
        return self.add(Source.CONSTANT, kind=RegisterType.NULL, detail=None)

    # -- units -----------------------------------------------------------------------------------

    def in_main_unit(self, value: Value, field: Field) -> Value:
        """Return a number field that is stored with decimals as the number that it represents."""
        if field.kind is not FieldType.NUMBER or not field.decimals:
            return value
        return self.add(Opcode.DIVIDE, value, self.constant(Decimal(10) ** field.decimals))

    def zero_like(self, value: Value, node: syntax.Node) -> Value:
        """Return zero in the unit of a value.

        Raises:
            NotColumnar: The value cannot be negated.
        """
        if value.kind not in {RegisterType.NUMBER, RegisterType.DAYS}:
            raise NotColumnar(f"a {value.kind.value} cannot be negated", node.span)
        return self.constant(0, value.kind, value.power)

    def aligned(self, *values: Value) -> tuple[Value, ...]:
        """Return numbers in one unit; constants take the unit of the others."""
        wanted = max((v.power for v in values if v.kind is RegisterType.NUMBER), default=0)
        return tuple(self.in_unit(value, wanted) for value in values)

    def in_unit(self, value: Value, power: int) -> Value:
        """Return a number as a multiple of the minor unit to a power."""
        if value.kind is not RegisterType.NUMBER or value.power == power:
            return value
        step = self.steps[value.step]
        if step.operation is Source.CONSTANT:
            return self.constant(step.detail[0], power=power)
        unit = self.constant(1, power=power - value.power)
        return self.add(Opcode.MULTIPLY, value, unit, power=power)

    def plain(self, value: Value) -> Value:
        """Return a number in the main unit of the currency."""
        if value.power < 0:
            return self.in_unit(value, 0)
        step = self.steps[value.step]
        if value.power == 0 or step.operation is Source.CONSTANT:
            return self.in_unit(value, 0)
        unit = self.constant(1, power=value.power)
        return self.add(Opcode.DIVIDE, value, unit)

    # -- operations ------------------------------------------------------------------------------

    def same_kind(self, operation: Opcode, left: Value, right: Value) -> Value:
        """Return the result of an instruction that has the type and unit of its left side."""
        return self.add(operation, left, right, kind=left.kind, power=left.power)

    def select(self, condition: Value, left: Value, right: Value) -> Value:
        """Return left where the condition is true, else right."""
        step = self.steps[condition.step]
        if step.operation is Source.KNOWN:
            return left if step.detail == TRUE else right
        if left.kind is RegisterType.NULL and right.kind is RegisterType.NULL:
            return left
        kind = right.kind if left.kind is RegisterType.NULL else left.kind
        if kind is RegisterType.CONDITION:
            sides = [self.truth(0) if v.kind is RegisterType.NULL else v for v in (left, right)]
            return self.add(Opcode.SELECT_CONDITION, condition, *sides, kind=kind)
        left, right = self.aligned(left, right)
        power = max(left.power, right.power)
        return self.add(Opcode.SELECT, condition, left, right, kind=kind, power=power)

    def less(self, left: Value, right: Value) -> Value:
        """Return the condition that left is less than right."""
        return self.add(Opcode.LESS, left, right, kind=RegisterType.CONDITION)

    def is_null(self, value: Value) -> Value:
        """Return the condition that a value is null."""
        if value.kind is RegisterType.NULL:
            return self.truth(TRUE)
        is_condition = value.kind is RegisterType.CONDITION
        operation = Opcode.IS_UNDECIDED if is_condition else Opcode.IS_NULL
        return self.add(operation, value, kind=RegisterType.CONDITION)

    def added(self, values: list[Value]) -> Value:
        """Return the sum of some values; null where one of them is null."""
        if any(value.kind is RegisterType.NULL for value in values):
            return self.null()
        first, *others = self.aligned(*values)
        for other in others:
            first = self.same_kind(Opcode.ADD, first, other)
        return first

    def divided(self, total: Value, count: Value) -> Value:
        """Return a sum divided by a count; null where the count is zero."""
        if total.kind is RegisterType.NULL:
            return total
        return self.add(Opcode.DIVIDE, total, count, power=total.power)


def power_of(field: Field) -> int:
    """Return the power of the minor unit that stored values of a field are multiples of."""
    return 1 if field.kind is FieldType.MONEY else 0
