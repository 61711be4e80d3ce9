"""A plan meets a batch: the tables of the kernel for the codes, days and currency at hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.classes import classes_of
from tuppence.engine.gather import Classes, Gathered, Memo, Rows
from tuppence.engine.operations import SLACK, WHOLE
from tuppence.facts.batch import NULL_DATE, NULLS, Column, FactBatch, Table
from tuppence.facts.context import feel_values
from tuppence.facts.schema import Kind
from tuppence.feel.values import DAY_NANOSECONDS, Date, DaysDuration, YearsDuration
from tuppence.plan import instructions as do
from tuppence.plan.code import Kind as StepKind
from tuppence.plan.code import Reading
from tuppence.plan.columns import ColumnPlan, TablePlan

Array = npt.NDArray[Any]

NUMBER_COLUMNS: Final = 8
CODE_COLUMNS: Final = 20
"""The kernel is compiled for so many columns of a table; those that are not needed are empty."""

MEMO_SIZE: Final = 1 << 14


class Texts:
    """Numbers for texts: the same text has the same number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []

    def number(self, text: str) -> int:
        """The number of a text."""
        found = self.numbers.get(text)
        if found is None:
            found = self.numbers[text] = len(self.names)
            self.names.append(text)
        return found


class BoundTable(NamedTuple):
    """What `gather` wants for one table."""

    rows: Rows
    classes: Classes
    gathered: Gathered
    memo: Memo
    features: int


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A plan made ready for a batch whose customers have one currency's digits.

    Attributes:
        tables: One for each table of the plan.
        numbers: (readings, customers).
        errors: Bounds on the distance of these from the exact values.
        conditions: (readings, customers), for those that are conditions: bits.
        constants: The constants of the program.
        constant_errors: Bounds on their distance from the exact values.
        totals: How many rows each customer has in all tables.
    """

    tables: tuple[BoundTable, ...]
    numbers: Array
    errors: Array
    conditions: Array
    constants: Array
    constant_errors: Array
    totals: Array


def bind(
    plan: ColumnPlan,
    batch: FactBatch,
    derived: Callable[[str], Table],
    digits: int,
    texts: Texts,
) -> Bound:
    """The tables of a plan for a batch.

    Args:
        plan: What to compute.
        batch: The facts.
        derived: Gives a table by name, with its derived columns.
        digits: Of the currency, after the point.
        texts: The numbers of texts.
    """
    totals = np.zeros(len(batch), np.int64)
    tables: list[BoundTable] = []
    for wanted in plan.tables:
        table = derived(wanted.table.name)
        tables.append(_bind_table(plan, wanted, table, batch, digits, texts))
        totals += np.diff(table.offsets)
    readings = [_read(reading, batch.customers, digits, texts) for reading in plan.readings]
    conditions = [_ask(reading, batch.customers, digits) for reading in plan.conditions]
    constants = np.full(len(plan.constants), np.nan)
    errors = np.zeros(len(plan.constants))
    for i, constant in enumerate(plan.constants):
        if constant.text is not None:
            constants[i] = texts.number(constant.text)
        elif constant.number is not None:
            exact = constant.number.scaleb(constant.power * digits)
            constants[i] = float(exact)
            off = abs(Decimal(float(exact)) - exact)
            errors[i] = float(off) * SLACK
    return Bound(
        tuple(tables),
        np.array([values for values, _ in readings]).reshape(len(readings), len(batch)),
        np.array([off for _, off in readings]).reshape(len(readings), len(batch)),
        np.array(conditions, np.uint8).reshape(len(conditions), len(batch)),
        constants,
        errors,
        totals,
    )


# -- tables ----------------------------------------------------------------------------------------


def _bind_table(
    plan: ColumnPlan, wanted: TablePlan, table: Table, batch: FactBatch, digits: int, texts: Texts
) -> BoundTable:
    number_at = {name: i for i, name in enumerate(wanted.numbers)}
    code_at = {name: i for i, name in enumerate(wanted.codes)}
    code_columns = [_codes(table.columns[name]) for name in wanted.codes]
    values: dict[str, list[Any]] = {}
    for name in (dimension.field for dimension in wanted.dimensions if dimension.by_value):
        values[name], place_of = _different(table.columns[name], digits)
        code_at[name] = len(code_columns)
        code_columns.append(place_of.astype(np.int32))
    assert len(number_at) <= NUMBER_COLUMNS and len(code_at) <= CODE_COLUMNS  # noqa: PT018, S101
    rows = Rows(
        read_only(table.offsets),
        _padded([table.columns[name].values for name in wanted.numbers], NUMBER_COLUMNS, np.int64),
        _padded(code_columns, CODE_COLUMNS, np.int32),
    )
    longest = int(np.diff(table.offsets).max(initial=0))
    days = {
        name: _days(plan, wanted, table, name)
        for name in wanted.codes
        if table.columns[name].kind is Kind.DATE
    }
    classes = classes_of(wanted, table, batch, digits, number_at, code_at, days, values)
    kept = stamps = 0
    operations, columns, firsts, depths = [], [], [], []
    for accumulator in wanted.accumulators:
        operation = accumulator.operation
        at = code_at if operation == do.DISTINCT else number_at
        operations.append(operation)
        columns.append(at.get(accumulator.column, 0))
        lowest, size = 0, 0
        if operation == do.DISTINCT:
            column = table.columns[accumulator.column]
            lowest, size = days.get(accumulator.column, (0, len(column.dictionary) + 3))
        firsts.append(stamps if operation == do.DISTINCT else kept)
        depths.append(lowest if operation == do.DISTINCT else accumulator.depth)
        stamps += size
        if operation == do.VALUES:
            kept += longest
        elif operation not in {do.PLAIN, do.SUM, do.DISTINCT}:
            kept += accumulator.depth
    place = {accumulator: i for i, accumulator in enumerate(wanted.accumulators)}
    features: list[int] = []
    text_starts = np.zeros(CODE_COLUMNS, np.int64)
    text_of: list[Array] = []
    length = 0
    for name, i in code_at.items():
        if any(f.part == do.TEXT_AT and f.column == name for f in wanted.features):
            dictionary = table.columns[name].dictionary
            text_starts[i] = length
            numbers = [0 if text is None else texts.number(text) for text in dictionary]
            text_of.append(np.array(numbers, np.int64))
            length += len(numbers)
    for feature in wanted.features:
        at = number_at if feature.part == do.NUMBER_AT else code_at
        features += [
            place[feature.accumulator],
            feature.part,
            at.get(feature.column, 0),
            feature.position,
        ]
    gathered = Gathered(
        wanted.plain,
        number_at.get(wanted.table.main, -1),
        np.array(operations, np.int64),
        np.array(columns, np.int64),
        np.array(firsts, np.int64),
        np.array(depths, np.int64),
        np.array(features, np.int64),
        text_starts,
        np.concatenate([*text_of, np.zeros(1, np.int64)]),
    )
    pool = max(4 * MEMO_SIZE, 64 * (len(operations) + 2))

    def room(size: int) -> Array:
        return np.zeros(size, np.int64)

    memo = Memo(
        keys=np.full(MEMO_SIZE, -1, np.int64),
        found=room(MEMO_SIZE),
        pool=room(pool),
        used=room(3),
        row_keys=room(longest),
        entries=room(longest),
        touched=room(longest),
        entry_counts=room(pool),
        entry_sums=room(pool),
        counts=room(len(operations)),
        sums=room(len(operations)),
        kept=room(kept + 1),
        stamps=room(stamps + 1),
    )
    return BoundTable(rows, classes, gathered, memo, len(wanted.features))


def _padded(columns: Sequence[Array], width: int, kind: Any) -> tuple[Array, ...]:
    """So many columns, all of one type to the compiler: that of arrays which are only read."""
    empty = np.zeros(1, kind)
    return tuple(map(read_only, (*columns, *([empty] * (width - len(columns))))))


def read_only(values: Array) -> Array:
    """A view that cannot be written through."""
    view = values.view()
    view.flags.writeable = False
    return view


def _codes(column: Column) -> Array:
    """The column as int32: codes of texts, days, booleans."""
    if column.values.dtype == np.uint32:
        return column.values.view(np.int32)
    return column.values.astype(np.int32, copy=False)


def _days(plan: ColumnPlan, wanted: TablePlan, table: Table, name: str) -> tuple[int, int]:
    """Lowest day and number of days of a column, the lowest place being for null."""
    values = table.columns[name].values
    last = plan.as_of.day
    if name == wanted.table.order:  # nothing after the date passes any filter
        begins = table.offsets[:-1][np.diff(table.offsets) > 0]
        low, high = int(values[begins].min(initial=last)), last + 1
    else:
        known = values[values != NULL_DATE]
        low, high = int(known.min(initial=last)), int(known.max(initial=last))
    low = low // 64 * 64 - 1  # so that batches share what is worked out for their days
    return low, high - low + 1


# -- the customer's own fields ---------------------------------------------------------------------


def _column(reading: Reading, customers: Mapping[str, Column]) -> Column:
    return customers[reading.path[-1]]


def _different(column: Column, digits: int) -> tuple[list[Any], Array]:
    """The different FEEL values of a column, and for each row which one it has."""
    different, place = np.unique(column.values, return_inverse=True)
    few = Column(column.kind, different, column.dictionary, column.decimals)
    return feel_values(few, len(different), digits), place


def _read(
    reading: Reading, customers: Mapping[str, Column], digits: int, texts: Texts
) -> tuple[Array, Array]:
    """A field, or what the interpreter makes of it, in a number register; and how far it is off."""
    column = _column(reading, customers)
    null = column.values == NULLS[column.kind]
    if reading.answer is None and column.kind is not Kind.TEXT:
        values = column.values.astype(np.float64)
        errors = np.where(np.abs(values) > WHOLE, np.inf, 0.0)
        values[null], errors[null] = np.nan, 0.0
        return values, errors
    different, place = _different(column, digits)
    found = [_register(_made(reading, value), reading.kind, texts) for value in different]
    pairs = np.array(found, np.float64).reshape(-1, 2)[place]
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def _made(reading: Reading, value: Any) -> Any:
    return value if reading.answer is None else reading.answer(value)


def _register(value: Any, kind: StepKind, texts: Texts) -> tuple[float, float]:
    """A FEEL value as it stands in a number register, and how far it is off."""
    match value:
        case None:
            return np.nan, 0.0
        case Decimal() if kind is StepKind.NUMBER:
            return float(value), float(abs(Decimal(float(value)) - value)) * SLACK
        case Date() if kind is StepKind.DATE:
            return float(value.day), 0.0
        case DaysDuration() if kind is StepKind.DAYS and value.nanoseconds % DAY_NANOSECONDS == 0:
            return float(value.nanoseconds // DAY_NANOSECONDS), 0.0
        case YearsDuration() if kind is StepKind.MONTHS:
            return float(value.months), 0.0
        case str() if kind is StepKind.TEXT:
            return float(texts.number(value)), 0.0
    return np.nan, np.inf  # of another type than was expected


def _ask(reading: Reading, customers: Mapping[str, Column], digits: int) -> Array:
    """A field, or what the interpreter makes of it, in a condition register."""
    column = _column(reading, customers)
    different, place = _different(column, digits)
    bits = {True: do.TRUE, False: do.FALSE, None: 0}
    made = [_made(reading, value) for value in different]
    known = [bits[value] if value is None or type(value) is bool else do.UNSURE for value in made]
    return np.array(known, np.uint8)[place]
