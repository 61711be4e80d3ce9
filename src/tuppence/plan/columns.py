"""The plan of a ruleset for columns: what to gather from the rows, and the program over it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.feel.values import Date
from tuppence.plan.code import Accumulator, AttributeReading, Code, Feature, RegisterType, Value
from tuppence.plan.model import Model, Table
from tuppence.plan.predicates import AttributeComparison, OverflowGuard, Predicate
from tuppence.rules.checking import CheckedRule

Array = np.ndarray[Any, Any]

SCORE_UNIT: Final = 10_000
"""Scores and numbers are written as multiples of one ten-thousandth."""

NULL_MASK: Final = 0
TRUE_MASK: Final = 1
FALSE_MASK: Final = 2
UNSURE_MASK: Final = 3
"""The first condition registers hold masks that are the same for every customer."""

FIRST_ATTRIBUTE_MASK: Final = UNSURE_MASK + 1
"""The first condition register that holds a field of the customer."""

MAX_ROWS: Final = 500_000
"""Customers with more rows are left to the interpreter."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why the interpreter evaluates a part of a rule.

    Attributes:
        place: `when`, `score`, or the name of a value.
        reason: A sentence for a person.
        span: The part of the text that does not fit.
    """

    place: str
    reason: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """The outcome of planning a rule.

    Attributes:
        rule_id: Identifier of the rule.
        refusals: Reasons why the interpreter has to help; empty for a rule that fits columns
            entirely.
        planned: True if the condition is in the program, or the part of it that comes first: the
            interpreter evaluates the rest, for customers whom that part does not decide.
        values: Type of each value, in order; empty unless the whole rule is in the program.
        features: Indexes of the features that the rule reads.
        instructions: Number of instructions in the program.
    """

    rule_id: str
    refusals: tuple[Refusal, ...]
    planned: bool
    values: tuple[RegisterType, ...]
    features: tuple[int, ...]
    instructions: int

    @property
    def whole(self) -> bool:
        """True if the whole rule is in the program."""
        return not self.refusals


class LoweredRule(NamedTuple):
    """A rule as steps.

    Attributes:
        checked: The rule.
        code: The steps.
        when: The condition, which is unsure from where it does not fit.
        history: The condition that the customer's history is too short, where the rule asks for
            one.
        score: The score in units of SCORE_UNIT, clamped to its bounds.
        values: The values, numbers among them in units of SCORE_UNIT.
        refusals: The parts that do not fit.
        limit: Number of rows above which a customer is left to the interpreter.
        table_bits: The tables whose rows count, see `table_bits`.
    """

    checked: CheckedRule
    code: Code
    when: Value
    history: Value | None
    score: Value | None
    values: tuple[Value, ...]
    refusals: tuple[Refusal, ...]
    limit: int
    table_bits: int

    @property
    def kept(self) -> list[Value]:
        """The values that the rule puts out, and the conditions that decide about them."""
        wanted = [self.when, self.history]
        if not self.refusals:
            wanted += [self.score, *self.values]
        return [value for value in wanted if value is not None]


class Constant(NamedTuple):
    """A number in units of the minor unit to a power, or a text, whose number is then None."""

    number: Decimal | None
    power: int
    text: str | None = None


class SharedInputs(NamedTuple):
    """The values that come from outside the program, in the order of first use.

    Attributes:
        features: Values read from accumulators.
        numbers: The customer's fields in number registers.
        conditions: The customer's fields in condition registers.
        constants: Numbers and texts that are the same for every customer.
        uses: Number of uses of features by rules.
    """

    features: tuple[Feature, ...]
    numbers: tuple[AttributeReading, ...]
    conditions: tuple[AttributeReading, ...]
    constants: tuple[Constant, ...]
    uses: int


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """A field that filters ask about.

    Attributes:
        field: Name of the field.
        relative: The customer's field that it is compared with, if any.
        by_value: True if a predicate needs the exact value of a number, not only its interval; each
            distinct value is then evaluated.
        predicates: All predicates on the field, each once.
        of_term: Index of each term's predicate, shape (terms,); -1 where a term has none.
    """

    field: str
    relative: AttributeComparison | None
    by_value: bool
    predicates: tuple[Predicate, ...]
    of_term: Array


@dataclass(frozen=True, slots=True, eq=False)
class TablePlan:
    """The accumulators of a table and the filters that feed them.

    Attributes:
        table: The table.
        accumulators: Those that only count and sum the main number come first.
        plain: Number of these.
        accumulator_of: Index of the accumulator that each term feeds, shape (terms,).
        dimensions: The fields that terms ask about.
        numbers: Names of the number columns that are read, in their order in the kernel.
        codes: Names of the columns of codes and days that are read, in their order in the kernel.
        features: Features read from the accumulators, in the order of their registers.
        overflow_guards: Registers that are above zero where sums could be inexact.
    """

    table: Table
    accumulators: tuple[Accumulator, ...]
    plain: int
    accumulator_of: Array
    dimensions: tuple[Dimension, ...]
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    features: tuple[Feature, ...]
    overflow_guards: tuple[int, ...]

    def is_overflow_guard(self, accumulator: Accumulator) -> bool:
        """Return whether an accumulator only counts amounts that are too large for exact sums."""
        return any(
            isinstance(predicate, OverflowGuard)
            for term in accumulator.where
            for _, predicate in term
        )


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions for all rules.

    Attributes:
        code: Instructions, shape (n,), of dtype `instructions.INSTRUCTION`.
        starts: Index of each rule's first instruction, shape (rules,).
        registers: Number of number registers: features, attributes, constants, temporaries.
        masks: Number of condition registers.
        first_values: Index of each rule's first value, and the number of values, shape (rules +
            1,).
        limits: Number of rows above which a customer is the interpreter's, shape (rules,).
        table_bits: The tables whose rows count for each rule, shape (rules,).
        rules: The outcome for each rule.
    """

    code: Array
    starts: Array
    registers: int
    masks: int
    first_values: Array
    limits: Array
    table_bits: Array
    rules: tuple[ColumnRule, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ColumnPlan:
    """A ruleset for columns, for one date.

    Attributes:
        as_of: The date.
        model: The facts that rules may read.
        lowered: Each rule as steps, for the next plan.
        inputs: The values that come from outside the program.
        tables: The accumulators of each table; registers of features follow one another.
        program: The instructions.
    """

    as_of: Date
    model: Model
    lowered: tuple[LoweredRule, ...]
    inputs: SharedInputs
    tables: tuple[TablePlan, ...]
    program: Program

    @property
    def rules(self) -> tuple[ColumnRule, ...]:
        """The outcome for each rule, in the order of the ruleset."""
        return self.program.rules

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features, in the order of their registers."""
        return tuple(feature for table in self.tables for feature in table.features)

    @property
    def fields(self) -> frozenset[str]:
        """Names of all fields that the plan reads, of any table and of the customer."""
        columns = (name for table in self.tables for name in (*table.numbers, *table.codes))
        readings = (*self.inputs.numbers, *self.inputs.conditions)
        return frozenset([*columns, *(reading.path[-1] for reading in readings)])
