"""Binds a plan to a batch: fills the kernel's tables for the batch's codes, days and currency."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.kernel.compute import BLOCK
from tuppence.engine.kernel.layout import ProgramTables, Workspace
from tuppence.engine.kernel.operations import MAX_WHOLE, SLACK
from tuppence.engine.table_binding import BoundTable, TableBinding, distinct_values
from tuppence.engine.text_numbers import TextNumbers
from tuppence.facts.batch import NULLS, Column, FactBatch, Table
from tuppence.facts.schema import TABLES, FieldType
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, YearsDuration
from tuppence.plan.code import AttributeReading, RegisterType
from tuppence.plan.columns import FALSE_MASK, TRUE_MASK, UNSURE_MASK, ColumnPlan, Constant
from tuppence.plan.instructions import FALSE, TRUE, UNSURE
from tuppence.results.packed import DATE, TEXT

Array = npt.NDArray[Any]

_SETS: Final = np.arange(1 << len(TABLES))
"""The sets of tables, by their bits."""


class BoundInputs(NamedTuple):
    """The inputs of a plan for customers whose currencies have the same number of digits.

    Attributes:
        tables: One for each table of the plan.
        numbers: Fields of customers in number registers, shape (fields, customers).
        number_errors: Bounds on their distance from the exact values.
        conditions: Fields of customers in condition registers, as bits, shape (fields, customers).
        row_counts: Number of rows of each customer in every set of `TABLES`, by the bits of the
            set, shape (sets, customers). Streams that the plan does not read are counted as
            transactions, of which there are more.
    """

    tables: tuple[BoundTable, ...]
    numbers: Array
    number_errors: Array
    conditions: Array
    row_counts: Array


class Binding:
    """A plan bound to a number of digits of the currency, and then to one batch after another.

    It keeps what batches have in common: classes, memos and constants. Only one thread at a time
    may use it, and only with the batch that it was bound to last.

    Args:
        plan: The plan.
        digits: Digits of the currency after the decimal point.

    Attributes:
        plan: The same.
        digits: The same.
        fields: Names of the fields that the plan reads.
        program: The plan's program.
        work: Registers for a block of customers, with the constants filled in.
        bound: The inputs for the last batch.
    """

    def __init__(self, plan: ColumnPlan, digits: int) -> None:
        self.plan = plan
        self.digits = digits
        self.fields = plan.fields
        self.program = _program_tables(plan)
        self.work = _workspace(plan, digits)
        self.bound: BoundInputs | None = None
        self._tables = [TableBinding(wanted, digits, plan.as_of.day) for wanted in plan.tables]
        self._feature_count = len(plan.features)
        self._features: Array = np.zeros(0)

    def bind(
        self, batch: FactBatch, derived: Callable[[str], Table], texts: TextNumbers
    ) -> BoundInputs:
        """Return the inputs for a batch.

        Args:
            batch: The facts.
            derived: Returns a table by name, with its derived columns.
            texts: The numbers of texts, which begin with those of the plan's constants; the
                batch's are added.
        """
        transactions = batch.transactions.row_counts
        rows = {"accounts": batch.accounts.row_counts, "transactions": transactions}
        tables: list[BoundTable] = []
        for one in self._tables:
            table = derived(one.name)
            tables.append(one.bind(table, batch, texts))
            rows[one.name] = table.row_counts
        row_counts = np.zeros((len(_SETS), len(batch)), np.int64)
        for bit, name in enumerate(TABLES):
            row_counts[_SETS >> bit & 1 == 1] += rows.get(name, transactions)
        inputs, customers = self.plan.inputs, batch.customers
        numbers = [_number_input(one, customers, self.digits, texts) for one in inputs.numbers]
        conditions = [_condition_input(one, customers, self.digits) for one in inputs.conditions]
        self.bound = BoundInputs(
            tuple(tables),
            np.array([values for values, _ in numbers]).reshape(len(numbers), len(batch)),
            np.array([errors for _, errors in numbers]).reshape(len(numbers), len(batch)),
            np.array(conditions, np.uint8).reshape(len(conditions), len(batch)),
            row_counts,
        )
        return self.bound

    def features(self, customers: int) -> Array:
        """Return room for the features of some customers, shape (features, customers)."""
        size = self._feature_count * customers
        if len(self._features) < size:
            self._features = np.zeros(size)
        return self._features[:size].reshape(self._feature_count, customers)


class Bindings:
    """The bindings of a plan that are free now, for any number of threads.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: ColumnPlan) -> None:
        self._plan = plan
        self._free: dict[int, list[Binding]] = {}

    def take(self, digits: int) -> Binding:
        """Return a binding for a number of digits of the currency, a free one if there is one."""
        try:
            return self._free.setdefault(digits, []).pop()
        except IndexError:
            return Binding(self._plan, digits)

    def give_back(self, binding: Binding) -> None:
        """Keep a binding for the next batch."""
        binding.bound = None
        self._free[binding.digits].append(binding)


def texts_of_constants(plan: ColumnPlan) -> list[str]:
    """Return the texts among the constants of a plan."""
    return [one.text for one in plan.inputs.constants if one.text is not None]


def _constant(constant: Constant, digits: int, texts: TextNumbers) -> tuple[float, float]:
    """Return the value of a constant in a number register, and a bound on its error."""
    if constant.text is not None:
        return texts.number(constant.text), 0.0
    if constant.number is None:
        return np.nan, 0.0
    exact = constant.number.scaleb(constant.power * digits)
    return float(exact), float(abs(Decimal(float(exact)) - exact)) * SLACK


# -- the customer's own fields ---------------------------------------------------------------------


def _number_input(
    reading: AttributeReading, customers: Mapping[str, Column], digits: int, texts: TextNumbers
) -> tuple[Array, Array]:
    """Return a field, or an expression over it, in a number register, and bounds on its error."""
    column = customers[reading.path[-1]]
    null = column.values == NULLS[column.kind]
    if reading.answer is None and column.kind is not FieldType.TEXT:
        values = column.values.astype(np.float64)
        errors = np.where(np.abs(values) > MAX_WHOLE, np.inf, 0.0)
        values[null], errors[null] = np.nan, 0.0
        return values, errors
    distinct, place = distinct_values(column, digits)
    found = [_in_register(_evaluated(reading, value), reading.kind, texts) for value in distinct]
    pairs = np.array(found, np.float64).reshape(-1, 2)[place]
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _evaluated(reading: AttributeReading, value: Any) -> Any:
    return value if reading.answer is None else reading.answer(value)


def _in_register(value: Any, kind: RegisterType, texts: TextNumbers) -> tuple[float, float]:
    """Return a FEEL value as a number register holds it, and a bound on its error."""
    match value:
        case None:
            return np.nan, 0.0
        case Decimal() if kind is RegisterType.NUMBER:
            return float(value), float(abs(Decimal(float(value)) - value)) * SLACK
        case Date() if kind is RegisterType.DATE:
            return float(value.day), 0.0
        case DaysDuration() if (
            kind is RegisterType.DAYS and value.nanoseconds % DAY_NANOSECONDS == 0
        ):
            return float(value.nanoseconds // DAY_NANOSECONDS), 0.0
        case YearsDuration() if kind is RegisterType.MONTHS:
            return float(value.months), 0.0
        case str() if kind is RegisterType.TEXT:
            return float(texts.number(value)), 0.0
    return np.nan, np.inf  # not of the expected type


def _condition_input(
    reading: AttributeReading, customers: Mapping[str, Column], digits: int
) -> Array:
    """Return a field, or an expression over it, in a condition register."""
    distinct, place = distinct_values(customers[reading.path[-1]], digits)
    bits = {True: TRUE, False: FALSE, None: 0}
    values = [_evaluated(reading, value) for value in distinct]
    known = [bits[value] if value is None or type(value) is bool else UNSURE for value in values]
    return np.array(known, np.uint8)[place]


# -- the program -----------------------------------------------------------------------------------


def _program_tables(plan: ColumnPlan) -> ProgramTables:
    program = plan.program
    kinds = np.zeros(int(program.first_values[-1]), np.uint8)
    for rule, place in zip(plan.rules, program.first_values, strict=False):
        of_values = [_OUTPUT_KINDS.get(kind, 0) for kind in rule.values]
        kinds[place : place + len(of_values)] = of_values
    guards = [register for table in plan.tables for register in table.overflow_guards]
    return ProgramTables(
        program.code,
        program.starts,
        program.limits,
        program.table_bits,
        kinds,
        np.array(guards, np.int64),
    )


_OUTPUT_KINDS: Mapping[RegisterType, int] = {RegisterType.TEXT: TEXT, RegisterType.DATE: DATE}


def _workspace(plan: ColumnPlan, digits: int) -> Workspace:
    """Return registers for one block, with the constants filled in."""
    program, features, numbers = plan.program, len(plan.features), len(plan.inputs.numbers)
    registers = np.zeros((program.registers, BLOCK))
    errors = np.zeros((program.registers - features + 1, BLOCK))
    first = features + numbers
    texts = TextNumbers(texts_of_constants(plan))
    for place, constant in enumerate(plan.inputs.constants):
        registers[first + place], errors[1 + numbers + place] = _constant(constant, digits, texts)
    masks = np.zeros((program.masks, BLOCK), np.uint8)
    masks[TRUE_MASK], masks[FALSE_MASK], masks[UNSURE_MASK] = TRUE, FALSE, UNSURE
    hashes, incomplete, overflowed = np.zeros((3, BLOCK), np.int64)
    return Workspace(registers, errors, masks, hashes, incomplete, overflowed)
