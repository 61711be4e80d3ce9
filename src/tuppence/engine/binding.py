"""A plan meets a batch: the tables of the kernel for the codes, days and currency at hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.compute import WHOLE
from tuppence.engine.gather import BITS, Classes, Gathered, Memo, Rows
from tuppence.facts.batch import NULL_DATE, NULL_MONEY, NULLS, Column, FactBatch, Table
from tuppence.facts.schema import Kind
from tuppence.feel.values import Date, DaysDuration, YearsDuration
from tuppence.plan import instructions as do
from tuppence.plan.code import Kind as StepKind
from tuppence.plan.code import Reading
from tuppence.plan.columns import ColumnPlan, Dimension, TablePlan
from tuppence.plan.literals import Beyond, Both, Literal, OneOf, Ordered, Relative
from tuppence.plan.model import decimals_of

Array = npt.NDArray[Any]

NUMBER_COLUMNS: Final = 4
CODE_COLUMNS: Final = 12
"""The kernel is compiled for so many columns of a table; those that are not needed are empty."""

MEMO_SIZE: Final = 1 << 14
DAY_NANOSECONDS: Final = 86_400_000_000_000


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
            errors[i] = float(off) * 1.000001
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
    assert len(number_at) <= NUMBER_COLUMNS and len(code_at) <= CODE_COLUMNS  # noqa: PT018, S101
    rows = Rows(
        read_only(table.offsets),
        _padded([table.columns[name].values for name in wanted.numbers], NUMBER_COLUMNS, np.int64),
        _padded([_codes(table.columns[name]) for name in wanted.codes], CODE_COLUMNS, np.int32),
    )
    longest = int(np.diff(table.offsets).max(initial=0))
    days = {
        name: _days(plan, wanted, table, name)
        for name in wanted.codes
        if table.columns[name].kind is Kind.DATE
    }
    classes = _classes(wanted, table, batch, digits, number_at, code_at, days)
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
        used=room(2),
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


def _classes(
    wanted: TablePlan,
    table: Table,
    batch: FactBatch,
    digits: int,
    number_at: Mapping[str, int],
    code_at: Mapping[str, int],
    days: Mapping[str, tuple[int, int]],
) -> Classes:
    """Classes of each dimension, and which terms each class allows."""
    coded: list[int] = []
    places: list[Array] = []
    ordered: list[int] = []
    cuts: list[Array] = []
    beside: list[int] = []
    own: list[Array] = []
    strides: list[int] = []
    counts: list[int] = []
    first_words: list[int] = []
    words: list[Array] = []
    terms = len(wanted.accumulator_of)
    width = -(-terms // BITS)
    stride, first_place, first_cut, first_word = 1, 0, 0, 0
    for dimension in wanted.dimensions:
        field = wanted.table.fields[dimension.field]
        column = table.columns[dimension.field]
        if dimension.beside is not None:
            is_number = dimension.field in number_at
            at = number_at if is_number else code_at
            null = int(NULLS[column.kind])
            kinds = _of_relations(dimension)
            place = sum(map(len, own))
            beside += [at[dimension.field], int(is_number), place, stride, null]
            own.append(_own(dimension.beside, column, batch))
        elif dimension.field in code_at:
            low = 0
            if dimension.field in days:
                low, size = days[dimension.field]
                holds = _of_days(dimension, low, size)
            else:
                holds = _of_codes(dimension, column)
            kinds, class_of = _distinct(holds)
            coded += [code_at[dimension.field], low, len(class_of), first_place, int(low != 0)]
            places.append(class_of * stride)
            first_place += len(class_of)
        else:
            steps = _cuts(dimension, decimals_of(field, digits), field.nullable)
            kinds = _of_cuts(dimension, steps, decimals_of(field, digits))
            ordered += [number_at[dimension.field], first_cut, len(steps), stride]
            cuts.append(steps)
            first_cut += len(steps)
        strides.append(stride)
        counts.append(len(kinds))
        first_words.append(first_word)
        words.append(_words(kinds, dimension, width))
        first_word += len(kinds) * width
        stride *= len(kinds)
    if stride >= 1 << 62:
        raise OverflowError
    return Classes(
        np.array(coded, np.int64),
        np.concatenate([*places, np.zeros(1, np.int64)]),
        np.array(ordered, np.int64),
        np.concatenate([*cuts, np.zeros(1, np.int64)]),
        np.array(beside, np.int64),
        np.concatenate([*own, np.zeros(1, np.int64)]),
        np.array(strides, np.int64),
        np.array(counts, np.int64),
        np.array(first_words, np.int64),
        np.concatenate([*words, np.zeros(1, np.int64)]),
        width,
        wanted.accumulator_of,
    )


def _own(relative: Relative, column: Column, batch: FactBatch) -> Array:
    """The customers' own values, in the codes of the column."""
    mine = batch.customers[relative.path[-1]]
    if column.kind is Kind.TEXT:
        code_of = {text: code for code, text in reversed(list(enumerate(column.dictionary)))}
        codes = np.array([code_of.get(text, -1) for text in mine.dictionary], np.int64)
        return codes[mine.values]
    values = mine.values.astype(np.int64)
    null = NULLS[mine.kind]
    return np.where(values == null, null, -values) if relative.negated else values


def _of_relations(dimension: Dimension) -> Array:
    """For each relation and literal whether it lets the relation through."""
    literals = [literal for literal in dimension.literals if isinstance(literal, Relative)]
    return np.array([[r in literal.accept for literal in literals] for r in range(4)], bool)


def _distinct(holds: Array) -> tuple[Array, Array]:
    """The different rows of a table of truth values, and for each row which one it is."""
    _, first, inverse = np.unique(
        np.packbits(holds, axis=1), axis=0, return_index=True, return_inverse=True
    )
    return holds[first], inverse.astype(np.int64).ravel()


def _words(kinds: Array, dimension: Dimension, width: int) -> Array:
    """For each class the terms that it allows, in words."""
    asked = np.concatenate([kinds, np.ones((len(kinds), 1), bool)], axis=1)
    allowed = asked[:, dimension.of_term]
    bits = np.zeros((len(kinds), width * BITS), np.int64)
    bits[:, : allowed.shape[1]] = allowed
    powers = np.left_shift(np.int64(1), np.arange(BITS, dtype=np.int64))
    words: Array = (bits.reshape(len(kinds), width, BITS) * powers).sum(axis=2).ravel()
    return words


def _of_codes(dimension: Dimension, column: Column) -> Array:
    """For each code and literal whether it lets the code's value through."""
    boolean = column.kind is Kind.BOOLEAN
    values: list[Any] = [False, True, None] if boolean else list(column.dictionary)
    holds = np.zeros((len(values), len(dimension.literals)), bool)
    mentions: dict[Any, list[int]] = {}
    for i, literal in enumerate(dimension.literals):
        if isinstance(literal, OneOf):
            holds[:, i] = literal.others
            for value in literal.values:
                mentions.setdefault(value, []).append(i)
        else:
            holds[:, i] = [_lets(literal, value) for value in values]
    for code, value in enumerate(values):
        if value in mentions:
            holds[code, mentions[value]] ^= True
    return holds


def _of_days(dimension: Dimension, low: int, size: int) -> Array:
    """For each day and literal whether it lets the day through; the first place is null."""
    days = np.arange(low, low + size)
    holds = np.zeros((size, len(dimension.literals)), bool)
    for i, literal in enumerate(dimension.literals):
        if isinstance(literal, Ordered):
            for start, end in literal.whole(0):
                first = 0 if start is None else max(start - low, 0)
                last = size if end is None else max(end - low + 1, 0)
                holds[first:last, i] = True
            holds[0, i] = literal.null
        else:
            holds[1:, i] = [_lets(literal, Date(int(day))) for day in days[1:]]
            holds[0, i] = _lets(literal, None)
    return holds


def _lets(literal: Literal, value: Any) -> bool:
    """Whether a literal lets a FEEL value through."""
    match literal:
        case Both():
            return all(_lets(part, value) for part in literal.parts)
        case Ordered():
            if value is None:
                return literal.null
            day = value.day
            spans = literal.whole(0)
            return any((a is None or a <= day) and (b is None or day <= b) for a, b in spans)
        case Beyond() | Relative():
            raise TypeError(literal)
    return literal.holds(value)


def _cuts(dimension: Dimension, decimals: int, nullable: bool) -> Array:
    """Where the classes of a number begin, in ascending order."""
    found = {NULL_MONEY + 1} if nullable else set[int]()
    for literal in dimension.literals:
        for part in literal.parts if isinstance(literal, Both) else (literal,):
            assert isinstance(part, Ordered | Beyond)  # noqa: S101
            for low, high in part.whole(decimals):
                found.update(() if low is None else (low,))
                found.update(() if high is None else (high + 1,))
    inside = (cut for cut in found if NULL_MONEY < cut < 2**63)
    return np.array(sorted(inside), np.int64)


def _of_cuts(dimension: Dimension, cuts: Array, decimals: int) -> Array:
    """For each class and literal whether it lets the class's numbers through."""
    lowest = [NULL_MONEY, *cuts.tolist()]
    holds = np.zeros((len(lowest), len(dimension.literals)), bool)
    for i, literal in enumerate(dimension.literals):
        holds[:, i] = True
        for part in literal.parts if isinstance(literal, Both) else (literal,):
            assert isinstance(part, Ordered | Beyond)  # noqa: S101
            spans = part.whole(decimals)
            for place, number in enumerate(lowest):
                passes = any(
                    (a is None or a <= number) and (b is None or number <= b) for a, b in spans
                )
                if number == NULL_MONEY and NULL_MONEY + 1 in lowest:
                    passes = part.null
                holds[place, i] &= passes
    return holds


# -- the customer's own fields ---------------------------------------------------------------------


def _column(reading: Reading, customers: Mapping[str, Column]) -> Column:
    return customers[reading.path[-1]]


def feel_value(column: Column, raw: int, digits: int) -> Any:
    """The FEEL value of a stored one."""
    if raw == NULLS[column.kind]:
        return None
    match column.kind:
        case Kind.TEXT:
            return column.dictionary[raw]
        case Kind.DATE:
            return Date(raw)
        case Kind.BOOLEAN:
            return raw == 1
    return Decimal(raw).scaleb(-(digits if column.kind is Kind.MONEY else column.decimals))


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
    different, place = np.unique(column.values, return_inverse=True)
    found = [
        _register(_made(reading, feel_value(column, int(raw), digits)), reading.kind, texts)
        for raw in different
    ]
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
            return float(value), float(abs(Decimal(float(value)) - value)) * 1.000001
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
    different, place = np.unique(column.values, return_inverse=True)
    bits = {True: do.TRUE, False: do.FALSE, None: 0}
    made = [_made(reading, feel_value(column, int(raw), digits)) for raw in different]
    known = [bits[value] if value is None or type(value) is bool else do.UNSURE for value in made]
    return np.array(known, np.uint8)[place]
