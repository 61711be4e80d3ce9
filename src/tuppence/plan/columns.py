"""The plan of a ruleset for columns: what to gather from the rows, and what to make of it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.feel.values import Date
from tuppence.plan.code import Accumulator, Code, Feature, Kind, Reading, Value
from tuppence.plan.literals import Beyond, Literal, Relative
from tuppence.plan.model import Model, Table
from tuppence.rules.checking import CheckedRule

Array = np.ndarray[Any, Any]

SCORES: Final = 10_000
"""Scores and numbers are put out in units of one ten-thousandth."""

NOTHING: Final = 0
TRUE_ROW: Final = 1
FALSE_ROW: Final = 2
"""Condition registers that are the same for everybody, at the front."""

MOST_ROWS: Final = 500_000
"""Customers with more rows are left to the interpreter."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a part of a rule is left to the interpreter.

    Attributes:
        place: `when`, `score`, or the name of a value.
        reason: In plain words.
        span: Of the part of the text that does not fit.
    """

    place: str
    reason: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What became of a rule.

    Attributes:
        rule_id: Of the rule.
        refusals: Why the interpreter has to help; empty for a rule that is all columns.
        planned: Whether the condition is in the program.
        values: The kind of each value, in order; empty unless all of the rule is in the program.
        features: Those it reads, by index.
        instructions: How many it has in the program.
    """

    rule_id: str
    refusals: tuple[Refusal, ...]
    planned: bool
    values: tuple[Kind, ...]
    features: tuple[int, ...]
    instructions: int

    @property
    def whole(self) -> bool:
        """Whether everything of the rule is in the program."""
        return not self.refusals


class Lowered(NamedTuple):
    """A rule as steps.

    Attributes:
        checked: The rule.
        code: The steps.
        when: The condition; None for a rule that does not fit.
        history: Whether the customer's history is too short, where the rule asks for that.
        score: In ten-thousandths, held to its bounds.
        values: Numbers among them in ten-thousandths.
        refusals: What does not fit.
        limit: How many rows a customer may have.
    """

    checked: CheckedRule
    code: Code
    when: Value | None
    history: Value | None
    score: Value | None
    values: tuple[Value, ...]
    refusals: tuple[Refusal, ...]
    limit: int

    @property
    def kept(self) -> list[Value]:
        """The values that are put out, and what decides about them."""
        wanted = [self.when, self.history]
        if not self.refusals:
            wanted += [self.score, *self.values]
        return [value for value in wanted if value is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """A field that filters ask about.

    Attributes:
        field: Its name.
        beside: The customer's field that it is compared with, where that is asked.
        by_value: Whether it is a number of which more is asked than where it lies, so that each
            different value has to be looked at.
        literals: All that is asked, each once.
        of_term: For each term the index of its literal; -1 where it asks nothing of the field.
    """

    field: str
    beside: Relative | None
    by_value: bool
    literals: tuple[Literal, ...]
    of_term: Array


@dataclass(frozen=True, slots=True, eq=False)
class TablePlan:
    """What is gathered from the rows of a table.

    Attributes:
        table: The table.
        accumulators: What is gathered, the plain ones first.
        plain: How many of them are plain.
        accumulator_of: For each term the index of the accumulator that it feeds.
        dimensions: What terms ask.
        numbers: The columns of numbers that are looked at, by their place.
        codes: The columns of codes and days that are looked at, by their place.
        features: The features read off its accumulators, in the order of the registers.
        troubles: The features that are above zero where sums could be inexact.
    """

    table: Table
    accumulators: tuple[Accumulator, ...]
    plain: int
    accumulator_of: Array
    dimensions: tuple[Dimension, ...]
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    features: tuple[Feature, ...]
    troubles: tuple[int, ...]

    def is_trouble(self, accumulator: Accumulator) -> bool:
        """Whether an accumulator only counts amounts that are too large."""
        return any(isinstance(literal, Beyond) for term in accumulator.where for _, literal in term)


class Constant(NamedTuple):
    """A number in units of the minor unit to a power; a text is None here, with its place."""

    number: Decimal | None
    power: int
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ColumnPlan:
    """A ruleset for columns, for one date.

    Attributes:
        as_of: The date.
        tables: What is gathered from each table. Registers of features follow one another.
        readings: The customer's fields in number registers.
        conditions: The customer's fields in condition registers.
        constants: Numbers that are the same for everybody.
        code: The instructions, (n, 5): operation, destination, left, right, third.
        starts: For each rule its first instruction.
        registers: How many number registers there are, constants and all.
        masks: How many condition registers there are.
        outputs: For each rule its first value; one more for the end.
        rules: What became of each rule, in the order of the ruleset.
        limits: For each rule how many rows a customer may have at most.
        lowered: Each rule as steps, for the next plan.
        model: What facts there are.
    """

    as_of: Date
    tables: tuple[TablePlan, ...]
    readings: tuple[Reading, ...]
    conditions: tuple[Reading, ...]
    constants: tuple[Constant, ...]
    code: Array
    starts: Array
    registers: int
    masks: int
    outputs: Array
    rules: tuple[ColumnRule, ...]
    limits: Array
    lowered: tuple[Lowered, ...]
    model: Model

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features in the order of their registers."""
        return tuple(feature for table in self.tables for feature in table.features)
