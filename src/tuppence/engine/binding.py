"""Binds a plan to a batch: fills the kernel's tables for the batch's codes, days and currency."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.classes import classes_of
from tuppence.engine.kernel.layout import (
    ACCUMULATOR,
    FEATURE,
    Classes,
    GatherPlan,
    Memo,
    TableRows,
)
from tuppence.engine.kernel.operations import MAX_WHOLE, SLACK
from tuppence.facts.batch import NULL_DATE, NULLS, Column, FactBatch, Table
from tuppence.facts.schema import TABLES, FieldType
from tuppence.facts.values import feel_values
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, YearsDuration
from tuppence.plan.code import AttributeReading, RegisterType
from tuppence.plan.columns import ColumnPlan, Constant, TablePlan
from tuppence.plan.instructions import FALSE, TRUE, UNSURE, Aggregation, Readout

Array = npt.NDArray[Any]

NUMBER_COLUMNS: Final = 8
CODE_COLUMNS: Final = 20
"""The kernel is compiled for these numbers of columns of a table; columns that are not needed are
empty."""

MEMO_SIZE: Final = 1 << 14


class TextNumbers:
    """Assigns numbers to texts: equal texts have the same number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        """Return the number of a text."""
        found = self.numbers.get(text)
        if found is None:
            found = self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return found


class BoundTable(NamedTuple):
    """The arguments of `gather` for one table.

    Attributes:
        rows: The rows.
        classes: Maps rows to keys.
        plan: The features to gather.
        memo: Maps keys to accumulators.
        features: Number of features.
    """

    rows: TableRows
    classes: Classes
    plan: GatherPlan
    memo: Memo
    features: int


@dataclass(frozen=True, slots=True, eq=False)
class BoundInputs:
    """A plan's inputs for customers whose currencies have the same number of digits.

    Attributes:
        tables: One for each table of the plan.
        numbers: Fields of customers in number registers, shape (fields, customers).
        number_errors: Bounds on their distance from the exact values.
        conditions: Fields of customers in condition registers, as bits, shape (fields, customers).
        constants: Constants of the program.
        constant_errors: Bounds on their distance from the exact values.
        row_counts: Number of rows of each customer in every set of `TABLES`, by the bits of the
            set, shape (sets, customers). Streams that the plan does not read are counted as
            transactions, of which there are more.
    """

    tables: tuple[BoundTable, ...]
    numbers: Array
    number_errors: Array
    conditions: Array
    constants: Array
    constant_errors: Array
    row_counts: Array


def bind(
    plan: ColumnPlan,
    batch: FactBatch,
    derived: Callable[[str], Table],
    digits: int,
    texts: TextNumbers,
) -> BoundInputs:
    """Bind a plan to a batch.

    Args:
        plan: The plan.
        batch: The facts.
        derived: Returns a table by name, with its derived columns.
        digits: Digits of the currency after the decimal point.
        texts: The numbers of texts, which are added to.
    """
    transactions = np.diff(batch.transactions.offsets)
    rows = {"accounts": np.diff(batch.accounts.offsets), "transactions": transactions}
    tables: list[BoundTable] = []
    for wanted in plan.tables:
        table = derived(wanted.table.name)
        tables.append(_bind_table(plan, wanted, table, batch, digits, texts))
        rows[wanted.table.name] = np.diff(table.offsets)
    row_counts = np.zeros((1 << len(TABLES), len(batch)), np.int64)
    for bit, name in enumerate(TABLES):
        row_counts[np.arange(len(row_counts)) >> bit & 1 == 1] += rows.get(name, transactions)
    inputs, customers = plan.inputs, batch.customers
    numbers = [_number_input(one, customers, digits, texts) for one in inputs.numbers]
    conditions = [_condition_input(one, customers, digits) for one in inputs.conditions]
    constants = [_constant(one, digits, texts) for one in inputs.constants]
    return BoundInputs(
        tuple(tables),
        np.array([values for values, _ in numbers]).reshape(len(numbers), len(batch)),
        np.array([errors for _, errors in numbers]).reshape(len(numbers), len(batch)),
        np.array(conditions, np.uint8).reshape(len(conditions), len(batch)),
        np.array([value for value, _ in constants]),
        np.array([error for _, error in constants]),
        row_counts,
    )


def _constant(constant: Constant, digits: int, texts: TextNumbers) -> tuple[float, float]:
    """Return the value of a constant in a number register, and a bound on its error."""
    if constant.text is not None:
        return texts.number(constant.text), 0.0
    if constant.number is None:
        return np.nan, 0.0
    exact = constant.number.scaleb(constant.power * digits)
    return float(exact), float(abs(Decimal(float(exact)) - exact)) * SLACK


# -- tables ----------------------------------------------------------------------------------------


def _bind_table(
    plan: ColumnPlan,
    wanted: TablePlan,
    table: Table,
    batch: FactBatch,
    digits: int,
    texts: TextNumbers,
) -> BoundTable:
    number_at = {name: i for i, name in enumerate(wanted.numbers)}
    code_at = {name: i for i, name in enumerate(wanted.codes)}
    code_columns = [_codes(table.columns[name]) for name in wanted.codes]
    values: dict[str, list[Any]] = {}
    for name in (dimension.field for dimension in wanted.dimensions if dimension.by_value):
        values[name], place_of = _distinct_values(table.columns[name], digits)
        code_at[name] = len(code_columns)
        code_columns.append(place_of.astype(np.int32))
    assert len(number_at) <= NUMBER_COLUMNS and len(code_at) <= CODE_COLUMNS  # noqa: PT018, S101
    rows = TableRows(
        read_only(table.offsets),
        _padded([table.columns[name].values for name in wanted.numbers], NUMBER_COLUMNS, np.int64),
        _padded(code_columns, CODE_COLUMNS, np.int32),
    )
    longest = int(np.diff(table.offsets).max(initial=0))
    days = {
        name: _days(plan, wanted, table, name)
        for name in wanted.codes
        if table.columns[name].kind is FieldType.DATE
    }
    classes = classes_of(wanted, table, batch, digits, number_at, code_at, days, values)
    accumulators, kept, stamps = _accumulators(wanted, table, number_at, code_at, days, longest)
    text_starts, text_numbers = _text_numbers(wanted, table, code_at, texts)
    place = {accumulator: i for i, accumulator in enumerate(wanted.accumulators)}
    features = [
        (
            place[feature.accumulator],
            feature.readout,
            (number_at if feature.readout == Readout.NUMBER_AT else code_at).get(feature.column, 0),
            feature.position,
        )
        for feature in wanted.features
    ]
    gather_plan = GatherPlan(
        wanted.plain,
        number_at.get(wanted.table.main, -1),
        np.array(accumulators, ACCUMULATOR),
        np.array(features, FEATURE),
        text_starts,
        text_numbers,
    )
    memo = _memo(len(accumulators), longest, kept, stamps)
    return BoundTable(rows, classes, gather_plan, memo, len(features))


def _accumulators(
    wanted: TablePlan,
    table: Table,
    number_at: Mapping[str, int],
    code_at: Mapping[str, int],
    days: Mapping[str, tuple[int, int]],
    longest: int,
) -> tuple[list[tuple[int, int, int, int]], int, int]:
    """Return the records of accumulators, and the space needed for kept rows and for stamps."""
    records: list[tuple[int, int, int, int]] = []
    kept = stamps = 0
    for one in wanted.accumulators:
        match one.aggregation:
            case Aggregation.DISTINCT:
                names = len(table.columns[one.column].dictionary) + 3
                lowest, size = days.get(one.column, (0, names))
                records.append((one.aggregation, code_at[one.column], stamps, lowest))
                stamps += size
            case Aggregation.COUNT_AND_SUM | Aggregation.SUM:
                records.append((one.aggregation, number_at.get(one.column, 0), kept, one.depth))
            case _:
                records.append((one.aggregation, number_at.get(one.column, 0), kept, one.depth))
                kept += longest if one.aggregation == Aggregation.VALUES else one.depth
    return records, kept, stamps


def _text_numbers(
    wanted: TablePlan, table: Table, code_at: Mapping[str, int], texts: TextNumbers
) -> tuple[Array, Array]:
    """Return the numbers of the texts that features read, and where those of each column begin."""
    starts = np.zeros(CODE_COLUMNS, np.int64)
    numbers: list[int] = []
    for name, i in code_at.items():
        if any(f.readout == Readout.TEXT_AT and f.column == name for f in wanted.features):
            starts[i] = len(numbers)
            dictionary = table.columns[name].dictionary
            numbers += [0 if text is None else texts.number(text) for text in dictionary]
    return starts, np.array([*numbers, 0], np.int64)


def _memo(accumulators: int, longest: int, kept: int, stamps: int) -> Memo:
    """Return an empty memo, with space for the rows of one customer."""
    pool = max(4 * MEMO_SIZE, 64 * (accumulators + 2))

    def room(size: int) -> Array:
        return np.zeros(size, np.int64)

    return Memo(
        keys=np.full(MEMO_SIZE, -1, np.int64),
        found=room(MEMO_SIZE),
        pool=room(pool),
        used=room(3),
        row_keys=room(longest),
        entries=room(longest),
        touched=room(longest),
        entry_counts=room(pool),
        entry_sums=room(pool),
        counts=room(accumulators),
        sums=room(accumulators),
        kept=room(kept + 1),
        stamps=room(stamps + 1),
    )


def _padded(columns: Sequence[Array], width: int, kind: Any) -> tuple[Array, ...]:
    """Return read-only columns, padded to a width with empty ones; all have one compiled type."""
    empty = np.zeros(1, kind)
    return tuple(map(read_only, (*columns, *([empty] * (width - len(columns))))))


def read_only(values: Array) -> Array:
    """Return a view that cannot be written through."""
    view = values.view()
    view.flags.writeable = False
    return view


def _codes(column: Column) -> Array:
    """Return a column of codes of texts, days or booleans as int32."""
    if column.values.dtype == np.uint32:
        return column.values.view(np.int32)
    return column.values.astype(np.int32, copy=False)


def _days(plan: ColumnPlan, wanted: TablePlan, table: Table, name: str) -> tuple[int, int]:
    """Return the lowest day of a column, which stands for null, and the number of days."""
    values = table.columns[name].values
    last = plan.as_of.day
    if name == wanted.table.order:  # no filter passes rows after the date
        begins = table.offsets[:-1][np.diff(table.offsets) > 0]
        low, high = int(values[begins].min(initial=last)), last + 1
    else:
        known = values[values != NULL_DATE]
        low, high = int(known.min(initial=last)), int(known.max(initial=last))
    low = low // 64 * 64 - 1  # so that batches share the results computed for their days
    return low, high - low + 1


# -- the customer's own fields ---------------------------------------------------------------------


def _distinct_values(column: Column, digits: int) -> tuple[list[Any], Array]:
    """Return the distinct FEEL values of a column, and the index of each row's value."""
    distinct, place = np.unique(column.values, return_inverse=True)
    few = Column(column.kind, distinct, column.dictionary, column.decimals)
    return feel_values(few, len(distinct), digits), place


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
    distinct, place = _distinct_values(column, digits)
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
    distinct, place = _distinct_values(customers[reading.path[-1]], digits)
    bits = {True: TRUE, False: FALSE, None: 0}
    values = [_evaluated(reading, value) for value in distinct]
    known = [bits[value] if value is None or type(value) is bool else UNSURE for value in values]
    return np.array(known, np.uint8)[place]
