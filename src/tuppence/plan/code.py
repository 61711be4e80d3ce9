"""The code of one rule while it is being made: values numbered so that equal ones are one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from tuppence.plan.literals import Filter


class Kind(Enum):
    """What a register holds, and in what unit."""

    NUMBER = "number"
    DATE = "date"  # days since 1970-01-01
    DAYS = "days and time duration"  # days
    MONTHS = "years and months duration"  # months
    TEXT = "text"  # number of the text
    CONDITION = "condition"
    NULL = "null"


class Value(NamedTuple):
    """Where a value is.

    Attributes:
        step: Number of the step that gives it.
        kind: What it is.
        power: A number is kept as a multiple of the minor unit to this power: 1 for money, 0 for a
            count, -1 for one over money.
    """

    step: int
    kind: Kind
    power: int = 0


class Source(Enum):
    """Where a step that is no instruction takes its value from."""

    CONSTANT = "constant"  # (Decimal, power), or the text
    FEATURE = "feature"  # Feature
    READING = "reading"  # Reading
    KNOWN = "known"  # the bits of a condition


class Accumulator(NamedTuple):
    """What is gathered from some rows of each customer.

    Attributes:
        table: Whose rows.
        where: Which of them.
        operation: One of the accumulators of `instructions`.
        column: Name of the field that it looks at; empty where it looks at none.
        depth: How many rows it keeps, for FIRST and LAST.
    """

    table: str
    where: Filter
    operation: int
    column: str = ""
    depth: int = 1


class Feature(NamedTuple):
    """A number, a day or a text read off an accumulator.

    Attributes:
        accumulator: Which.
        part: One of the features of `instructions`.
        column: Name of the field that it reads of a row.
        position: Which of the rows kept, from 0.
    """

    accumulator: Accumulator
    part: int
    column: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One of the customer's own fields, or what the interpreter makes of it.

    Attributes:
        path: Of the field.
        kind: Of the value.
        key: What is made of it; None for the field as it is.
        answer: Gives the FEEL value for the field's; None for the field as it is.
    """

    path: tuple[str, ...]
    kind: Kind
    key: Any = None
    answer: Callable[[Any], Any] | None = field(default=None, compare=False)


class Step(NamedTuple):
    """An instruction, or a source of a value."""

    operation: int | Source
    arguments: tuple[int, ...]
    detail: Any
    kind: Kind


@dataclass(slots=True)
class Code:
    """Steps in order; a step uses only those before it."""

    steps: list[Step] = field(default_factory=list)
    known: dict[Step, int] = field(default_factory=dict)

    def add(
        self,
        operation: int | Source,
        *arguments: Value,
        kind: Kind = Kind.NUMBER,
        power: int = 0,
        detail: Any = None,
    ) -> Value:
        """The value of a step, which is added unless it is there."""
        step = Step(operation, tuple(value.step for value in arguments), detail, kind)
        index = self.known.get(step)
        if index is None:
            index = self.known[step] = len(self.steps)
            self.steps.append(step)
        return Value(index, kind, power)

    def constant(self, number: Decimal | int, kind: Kind = Kind.NUMBER, power: int = 0) -> Value:
        """A number, in units of the minor unit to a power."""
        detail = (Decimal(number), power)
        return self.add(Source.CONSTANT, kind=kind, power=power, detail=detail)

    def truth(self, bits: int) -> Value:
        """A condition that is the same for everybody."""
        return self.add(Source.KNOWN, kind=Kind.CONDITION, detail=bits)
