"""Binds a table of a plan to a batch: its columns, its classes, and the accumulators' room."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.engine.classes import TableClasses
from tuppence.engine.kernel import memo
from tuppence.engine.kernel.layout import (
    ACCUMULATOR,
    FEATURE,
    Classes,
    GatherPlan,
    Memo,
    TableRows,
)
from tuppence.engine.text_numbers import TextNumbers
from tuppence.facts.batch import NULL_DATE, Array, Column, FactBatch, Table, read_only
from tuppence.facts.schema import FieldType
from tuppence.facts.values import feel_values
from tuppence.plan.columns import TablePlan
from tuppence.plan.instructions import Aggregation, Readout

NUMBER_COLUMNS: Final = 9
CODE_COLUMNS: Final = 20
"""The kernel is compiled for these numbers of columns of a table; columns that are not needed are
empty."""

MEMO_SIZE: Final = 1 << 14
_DAYS: Final = 64
"""Ranges of days begin and end at multiples of this number."""


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


class TableBinding:
    """A table of a plan bound to a number of digits, and then to one batch after another."""

    def __init__(self, wanted: TablePlan, digits: int, last_day: int) -> None:
        self.name = wanted.table.name
        self._wanted = wanted
        self._digits = digits
        self._last_day = last_day
        by_value = [one.field for one in wanted.dimensions if one.by_value]
        self._by_value = tuple(dict.fromkeys(by_value))
        self._number_at = {name: i for i, name in enumerate(wanted.numbers)}
        self._code_at = {name: i for i, name in enumerate((*wanted.codes, *self._by_value))}
        assert len(self._number_at) <= NUMBER_COLUMNS  # noqa: S101
        assert len(self._code_at) <= CODE_COLUMNS  # noqa: S101
        self._classes = TableClasses(wanted, digits, self._number_at, self._code_at)
        self._features = self._feature_records()
        self._texts_read = [
            (i, name)
            for name, i in self._code_at.items()
            if any(f.readout == Readout.TEXT_AT and f.column == name for f in wanted.features)
        ]
        self._counted = tuple(
            one.column for one in wanted.accumulators if one.aggregation == Aggregation.DISTINCT
        )
        self._memo = _memo(len(wanted.accumulators))
        self._longest = -1
        self._ranges: dict[str, tuple[int, int]] = {}
        self._accumulators: Array = np.zeros(0, ACCUMULATOR)

    def bind(self, table: Table, batch: FactBatch, texts: TextNumbers) -> BoundTable:
        """Return the arguments of `gather` for a table of a batch."""
        wanted, columns = self._wanted, table.columns
        codes = [_codes(columns[name]) for name in wanted.codes]
        values: dict[str, list[Any]] = {}
        for name in self._by_value:
            values[name], place_of = distinct_values(columns[name], self._digits)
            codes.append(place_of.astype(np.int32))
        rows = TableRows(
            read_only(table.offsets),
            _padded([columns[name].values for name in wanted.numbers], _NO_NUMBERS),
            _padded(codes, _NO_CODES),
        )
        days = {
            name: self._days(table, name)
            for name in wanted.codes
            if columns[name].kind is FieldType.DATE
        }
        classes, have_keys_changed = self._classes.bind(table, batch, days, values)
        if have_keys_changed:
            memo.clear(self._memo)
        self._make_room(table, days)
        starts, numbers = self._text_numbers(table, texts)
        plan = GatherPlan(
            wanted.plain,
            self._number_at.get(wanted.table.main, -1),
            self._accumulators,
            self._features,
            starts,
            numbers,
        )
        return BoundTable(rows, classes, plan, self._memo, len(self._features))

    def _feature_records(self) -> Array:
        place = {accumulator: i for i, accumulator in enumerate(self._wanted.accumulators)}
        records = [
            (
                place[feature.accumulator],
                feature.readout,
                (self._number_at if feature.readout == Readout.NUMBER_AT else self._code_at).get(
                    feature.column, 0
                ),
                feature.position,
            )
            for feature in self._wanted.features
        ]
        return np.array(records, FEATURE)

    def _days(self, table: Table, name: str) -> tuple[int, int]:
        """Return the lowest day of a column, which stands for null, and the number of days.

        Both ends are rounded, so that batches share what is worked out for their days.
        """
        values = table.columns[name].values
        last = self._last_day
        if name == self._wanted.table.order:  # no filter passes rows after the date
            begins = table.offsets[:-1][table.row_counts > 0]
            low, high = int(values[begins].min(initial=last)), last + 1
        else:
            known = values[values != NULL_DATE]
            low, high = int(known.min(initial=last)), int(known.max(initial=last))
            high = high // _DAYS * _DAYS + _DAYS
        low = low // _DAYS * _DAYS - 1
        return low, high - low + 1

    def _make_room(self, table: Table, days: Mapping[str, tuple[int, int]]) -> None:
        """Place the rows and codes that accumulators keep, and have room for them in the memo."""
        needed = int(table.row_counts.max(initial=0))
        ranges = {
            name: days.get(name, (0, len(table.columns[name].dictionary) + 3))
            for name in self._counted
        }
        if needed <= self._longest and all(
            _covers(self._ranges[name], low, size) for name, (low, size) in ranges.items()
        ):
            return
        longest = self._longest = max(self._longest, _rounded(needed))
        for name, (low, size) in ranges.items():
            first, many = self._ranges.get(name, (low, 0))
            first, end = min(first, low), max(first + many, low + size)
            self._ranges[name] = first, _rounded(end - first)
        records: list[tuple[int, int, int, int]] = []
        kept = stamps = 0
        for one in self._wanted.accumulators:
            number = self._number_at.get(one.column, 0)
            match one.aggregation:
                case Aggregation.DISTINCT:
                    lowest, size = self._ranges[one.column]
                    records.append((one.aggregation, self._code_at[one.column], stamps, lowest))
                    stamps += size
                case Aggregation.COUNT_AND_SUM | Aggregation.SUM:
                    records.append((one.aggregation, number, kept, one.depth))
                case _:
                    records.append((one.aggregation, number, kept, one.depth))
                    kept += longest if one.aggregation == Aggregation.VALUES else one.depth
        self._accumulators = np.array(records, ACCUMULATOR)
        self._memo = self._memo._replace(
            row_keys=np.zeros(longest, np.int64),
            entries=np.zeros(longest, np.int64),
            touched=np.zeros(longest, np.int64),
            kept=np.zeros(kept + 1, np.int64),
            stamps=np.zeros(stamps + 1, np.int64),
        )

    def _text_numbers(self, table: Table, texts: TextNumbers) -> tuple[Array, Array]:
        """Return the numbers of the texts that features read, and each column's first of them."""
        starts = np.zeros(CODE_COLUMNS, np.int64)
        numbers: list[int] = []
        for i, name in self._texts_read:
            starts[i] = len(numbers)
            numbers += texts.of_dictionary(table.columns[name].dictionary)
        return starts, np.array([*numbers, 0], np.int64)


def _rounded(count: int) -> int:
    """Return the next power of two, so that room has to be made for few batches."""
    return 1 << count.bit_length()


def _covers(room: tuple[int, int], low: int, size: int) -> bool:
    """Return whether a range, as its first number and its length, covers another one."""
    first, many = room
    return first <= low and low + size <= first + many


def _memo(accumulators: int) -> Memo:
    """Return an empty memo, which has no room yet for the rows of a customer."""
    pool = max(4 * MEMO_SIZE, 64 * (accumulators + 2))

    def room(size: int) -> Array:
        return np.zeros(size, np.int64)

    return Memo(
        keys=np.full(MEMO_SIZE, -1, np.int64),
        found=room(MEMO_SIZE),
        pool=room(pool),
        used=room(3),
        row_keys=room(0),
        entries=room(0),
        touched=room(0),
        entry_counts=room(pool),
        entry_sums=room(pool),
        counts=room(accumulators),
        sums=room(accumulators),
        kept=room(1),
        stamps=room(1),
    )


def _padded(columns: Sequence[Array], empty: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return read-only columns, padded with empty ones; all tuples have one compiled type."""
    return (*map(read_only, columns), *empty[len(columns) :])


_NO_NUMBERS: Final = (read_only(np.zeros(1, np.int64)),) * NUMBER_COLUMNS
_NO_CODES: Final = (read_only(np.zeros(1, np.int32)),) * CODE_COLUMNS


def _codes(column: Column) -> Array:
    """Return a column of codes of texts, days or booleans as int32."""
    if column.values.dtype == np.uint32:
        return column.values.view(np.int32)
    return column.values.astype(np.int32, copy=False)


def distinct_values(column: Column, digits: int) -> tuple[list[Any], Array]:
    """Return the distinct FEEL values of a column, and the index of each row's value."""
    distinct, place = column.values, np.zeros(1, np.int64)
    if len(distinct) != 1:
        distinct, place = np.unique(column.values, return_inverse=True)
    few = Column(column.kind, distinct, column.dictionary, column.decimals)
    return feel_values(few, len(distinct), digits), place
