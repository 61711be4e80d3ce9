"""Numbers the classes of a table's rows: values of a field that no filter distinguishes."""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.engine import acceptance
from tuppence.engine.kernel.layout import CODED, ORDERED, RELATIVE, TERM_BITS, Classes
from tuppence.errors import UserError
from tuppence.facts.batch import NULLS, Column, FactBatch, Table
from tuppence.facts.schema import FieldType
from tuppence.plan.columns import Dimension, TablePlan
from tuppence.plan.model import decimals_of
from tuppence.plan.predicates import AttributeComparison

Array = npt.NDArray[Any]

MAX_KEYS: Final = 1 << 62
"""Number of keys of rows that 64 bits hold with room to spare."""
MAX_KNOWN: Final = 100_000
"""Number of values of a field whose classes are remembered from batch to batch."""
_MAX_RANGES: Final = 64
"""Number of ranges of days whose classes are remembered."""
_POWERS: Final = np.left_shift(np.int64(1), np.arange(TERM_BITS, dtype=np.int64))


class TableClasses:
    """The classes of the rows of a table, as far as batches have met them.

    They are kept from batch to batch, so that a key always means the same. Each dimension has room
    for classes that no batch has met yet; where one has no room left, all keys change.

    Args:
        wanted: The plan of the table.
        digits: Digits of the currency after the decimal point.
        number_at: Index of each number column.
        code_at: Index of each column of codes, days, or numbers that are classified by value.
    """

    def __init__(
        self,
        wanted: TablePlan,
        digits: int,
        number_at: Mapping[str, int],
        code_at: Mapping[str, int],
    ) -> None:
        self._wanted = wanted
        self._number_at = number_at
        self._code_at = code_at
        self._decimals = [
            decimals_of(wanted.table.fields[one.field], digits) for one in wanted.dimensions
        ]
        self._width = -(-len(wanted.accumulator_of) // TERM_BITS)
        self._useful = _useful_terms(wanted)
        self._boundaries: dict[int, Array] = {}
        self._clear()
        self._lay_out()

    def bind(
        self,
        table: Table,
        batch: FactBatch,
        days: Mapping[str, tuple[int, int]],
        values: Mapping[str, Sequence[Any]],
    ) -> tuple[Classes, bool]:
        """Return the classes of a batch, and whether keys have changed.

        Args:
            table: The table's rows.
            batch: The batch that the rows belong to.
            days: Lowest day and number of days of each column of days.
            values: FEEL values of the codes of columns that are classified by value.

        Raises:
            UserError: There are too many keys.
        """
        found = self._classes_of_codes(table, days, values)
        is_full = any(
            known.count > room for known, room in zip(self._known, self._rooms, strict=True)
        )
        if is_full and not self._lay_out():
            self._clear()  # so that what earlier batches met takes no room from this one
            found = self._classes_of_codes(table, days, values)
            if not self._lay_out():
                name = self._wanted.table.name
                message = f"the rules use too many different conditions on {name}"
                raise UserError("plan.too-wide", message, "divide them into several rulesets")
        self._write_words()
        return self._tables(table, batch, days, found), is_full

    def _clear(self) -> None:
        """Forget all classes but those that do not depend on batches."""
        self._first_days: dict[tuple[int, int], int] = {}
        self._rooms = [0] * len(self._wanted.dimensions)
        self._known: list[_KnownClasses] = []
        for place, dimension in enumerate(self._wanted.dimensions):
            known = _KnownClasses(dimension)
            self._known.append(known)
            if dimension.relative is not None:
                known.fix(acceptance.of_relations(dimension))
            elif dimension.field not in self._code_at:
                nullable = self._wanted.table.fields[dimension.field].nullable
                steps = acceptance.boundaries(dimension, self._decimals[place], nullable)
                self._boundaries[place] = steps
                known.fix(acceptance.of_boundaries(dimension, steps, self._decimals[place]))

    def _classes_of_codes(
        self, table: Table, days: Mapping[str, tuple[int, int]], values: Mapping[str, Sequence[Any]]
    ) -> dict[int, Array]:
        """Return the class of each code, of those dimensions that are over codes."""
        found: dict[int, Array] = {}
        for place, known in enumerate(self._known):
            dimension, decimals = known.dimension, self._decimals[place]
            if known.is_fixed:
                continue
            if dimension.field in days:
                found[place] = known.of_days(*days[dimension.field])
            elif dimension.by_value:
                accept = functools.partial(acceptance.of_values, dimension, decimals)
                found[place] = known.of_values(values[dimension.field], accept)
            else:
                found[place] = known.of_dictionary(table.columns[dimension.field])
        return found

    def _lay_out(self) -> bool:
        """Give each dimension room for its classes, and for others; return whether it suffices."""
        needed = [known.count for known in self._known]
        ample = [
            n if known.is_fixed else 2 * n for n, known in zip(needed, self._known, strict=True)
        ]
        rooms = ample if math.prod(ample) < MAX_KEYS else needed
        if math.prod(rooms) >= MAX_KEYS:
            return False
        self._rooms = rooms
        self._room_of = np.array(rooms, np.int64)
        self._strides = np.cumprod([1, *rooms], dtype=np.int64)[:-1]
        self._stride_of: list[int] = self._strides.tolist()
        self._first_words = np.cumsum([0, *rooms], dtype=np.int64)[:-1] * self._width
        self._words = np.zeros(sum(rooms) * self._width + 1, np.int64)
        self._written = [0] * len(self._known)
        return True

    def _write_words(self) -> None:
        """Write the terms that each new class satisfies, as words of bits."""
        for place, known in enumerate(self._known):
            written = self._written[place]
            if written < known.count:
                words = known.words(written, self._width)
                first = int(self._first_words[place]) + written * self._width
                self._words[first : first + len(words)] = words
                self._written[place] = known.count

    def _tables(
        self,
        table: Table,
        batch: FactBatch,
        days: Mapping[str, tuple[int, int]],
        found: Mapping[int, Array],
    ) -> Classes:
        coded: list[tuple[int, ...]] = []
        places: list[Array] = []
        ordered: list[tuple[int, ...]] = []
        relative: list[tuple[int, ...]] = []
        customer_values: list[Array] = []
        first_place = first_boundary = 0
        order, first_day = -1, 0
        for place, dimension in enumerate(self._wanted.dimensions):
            field, stride = dimension.field, self._stride_of[place]
            if dimension.relative is not None:
                column = table.columns[field]
                is_number = field in self._number_at
                at = (self._number_at if is_number else self._code_at)[field]
                first_value, null = len(batch) * len(relative), int(NULLS[column.kind])
                relative.append((at, int(is_number), first_value, stride, null))
                customer_values.append(_customer_values(dimension.relative, column, batch))
            elif place in found:
                low, _ = days.get(field, (0, 0))
                at = self._code_at[field]
                coded.append((at, low, len(found[place]), first_place, int(low != 0)))
                places.append(found[place] * stride)
                first_place += len(found[place])
                if field == self._wanted.table.order:
                    order, first_day = at, self._first_day(place, days[field], found[place])
            else:
                steps = self._boundaries[place]
                ordered.append((self._number_at[field], first_boundary, len(steps), stride))
                first_boundary += len(steps)
        end = np.zeros(1, np.int64)
        return Classes(
            _records(coded, CODED),
            np.concatenate([*places, end]),
            _records(ordered, ORDERED),
            np.concatenate([*self._boundaries.values(), end]),
            _records(relative, RELATIVE),
            np.concatenate([*customer_values, end]),
            self._strides,
            self._room_of,
            self._first_words,
            self._words,
            self._width,
            self._wanted.accumulator_of,
            order,
            first_day,
        )

    def _first_day(self, place: int, days: tuple[int, int], class_of: Array) -> int:
        """Return the first day that a useful term allows."""
        if days not in self._first_days:
            if len(self._first_days) >= _MAX_RANGES:
                self._first_days.clear()
            useful = self._known[place].satisfied()[:, self._useful]
            allowed: Array = np.any(useful, axis=1)[class_of]
            first = int(allowed.argmax()) if allowed.any() else len(allowed)
            self._first_days[days] = days[0] + first
        return self._first_days[days]


class _KnownClasses:
    """The classes of a dimension, numbered in the order in which batches met them.

    Args:
        dimension: The dimension.

    Attributes:
        dimension: The same.
        is_fixed: True if the classes do not depend on batches.
    """

    def __init__(self, dimension: Dimension) -> None:
        self.dimension = dimension
        self.is_fixed = False
        self._accepted: list[Array] = []  # of each class: which predicates accept its values
        self._numbers: dict[bytes, int] = {}
        self._of_value: dict[Any, int] = {}
        self._of_days: dict[tuple[int, int], Array] = {}
        self._last: tuple[Sequence[Any], Array] = ((), np.zeros(0, np.int64))

    @property
    def count(self) -> int:
        """The number of classes."""
        return len(self._accepted)

    def satisfied(self, first: int = 0) -> Array:
        """Return, for each class from `first` on and term, whether the class satisfies the term."""
        accepted = np.array(self._accepted[first:], bool)
        always = np.ones((len(accepted), 1), bool)  # for terms without a predicate here, at -1
        found: Array = np.concatenate([accepted, always], axis=1)[:, self.dimension.of_term]
        return found

    def fix(self, accepted: Array) -> None:
        """Set the classes for good."""
        self._accepted, self.is_fixed = list(accepted), True

    def of_dictionary(self, column: Column) -> Array:
        """Return the class of each code of a column of texts or booleans."""
        is_boolean = column.kind is FieldType.BOOLEAN
        values: Sequence[Any] = _BOOLEANS if is_boolean else column.dictionary
        if values is not self._last[0]:  # slices of a batch share their dictionaries
            self._last = (
                values,
                self.of_values(values, functools.partial(acceptance.of_texts, self.dimension)),
            )
        return self._last[1]

    def of_values(self, values: Sequence[Any], accept: Callable[[Sequence[Any]], Array]) -> Array:
        """Return the class of each value.

        Args:
            values: FEEL values.
            accept: Returns, for each value and predicate, whether the predicate accepts the value.
        """
        known = self._of_value
        if len(known) > MAX_KNOWN:
            known.clear()
        if not known.keys() >= set(values):
            new = [value for value in values if value not in known]
            known.update(zip(new, self._add(accept(new)).tolist(), strict=True))
        return np.fromiter(map(known.__getitem__, values), np.int64, len(values))

    def of_days(self, low: int, size: int) -> Array:
        """Return the class of each day from `low` on, the first of which stands for null."""
        found = self._of_days.get((low, size))
        if found is None:
            if len(self._of_days) >= _MAX_RANGES:
                self._of_days.clear()
            found = self._add(acceptance.of_days(self.dimension, low, size))
            self._of_days[low, size] = found
        return found

    def words(self, first: int, width: int) -> Array:
        """Return the terms that classes from `first` on satisfy, as words of bits."""
        satisfied = self.satisfied(first)
        bits: Array = np.zeros((len(satisfied), width * TERM_BITS), np.int64)
        bits[:, : satisfied.shape[1]] = satisfied
        bits = bits.reshape(len(satisfied), width, TERM_BITS)
        words: Array = (bits * _POWERS).sum(axis=2).ravel()
        return words

    def _add(self, holds: Array) -> Array:
        """Return the class of each row of a table of values by predicates."""
        packed = np.packbits(holds, axis=1)
        rows = packed.view(f"V{packed.shape[1]}").ravel().tolist()
        found = np.zeros(len(rows), np.int64)
        for place, row in enumerate(rows):
            number = self._numbers.get(row)
            if number is None:
                number = self._numbers[row] = len(self._accepted)
                self._accepted.append(holds[place].copy())
            found[place] = number
        return found


_BOOLEANS: Final = (False, True, None)
"""Values of a boolean by their code."""


def _records(rows: Sequence[tuple[int, ...]], kind: Any) -> Array:
    """Return rows of integers as records; numpy takes longer to convert tuples one by one."""
    width = len(kind.names)
    numbers = np.fromiter(itertools.chain.from_iterable(rows), np.int64, len(rows) * width)
    records: Array = numbers.view(kind)
    return records


def _useful_terms(wanted: TablePlan) -> Array:
    """Return, for each term, whether it feeds anything but overflow guards."""
    guards = [i for i, one in enumerate(wanted.accumulators) if wanted.is_overflow_guard(one)]
    useful: Array = ~np.isin(wanted.accumulator_of, guards)
    return useful


def _customer_values(relative: AttributeComparison, column: Column, batch: FactBatch) -> Array:
    """Return the customers' own values, in the codes of the column."""
    mine = batch.customers[relative.path[-1]]
    if column.kind is FieldType.TEXT:
        code_of = {text: code for code, text in reversed(list(enumerate(column.dictionary)))}
        codes = np.array([code_of.get(text, -1) for text in mine.dictionary], np.int64)
        return codes[mine.values]
    values = mine.values.astype(np.int64)
    null = NULLS[mine.kind]
    return np.where(values == null, null, -values) if relative.negated else values
