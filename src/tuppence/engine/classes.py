"""Builds the classes of a batch's days, codes and numbers: values that no filter distinguishes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tuppence.engine.kernel.layout import CODED, ORDERED, RELATIVE, TERM_BITS, Classes
from tuppence.errors import UserError
from tuppence.facts.batch import NULL_MONEY, NULLS, Column, FactBatch, Table
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date
from tuppence.plan.columns import Dimension, TablePlan
from tuppence.plan.model import decimals_of
from tuppence.plan.predicates import (
    AttributeComparison,
    Conjunction,
    IntervalSet,
    OneOf,
    OverflowGuard,
)

Array = npt.NDArray[Any]


def classes_of(  # noqa: PLR0915 - one dimension after another
    wanted: TablePlan,
    table: Table,
    batch: FactBatch,
    digits: int,
    number_at: Mapping[str, int],
    code_at: Mapping[str, int],
    days: Mapping[str, tuple[int, int]],
    values: Mapping[str, Sequence[Any]],
) -> Classes:
    """Return the classes of each dimension, and the terms that each class satisfies.

    One function because each dimension goes on with what those before it have found.

    Args:
        wanted: The plan of the table.
        table: The table's rows.
        batch: The batch that the rows belong to.
        digits: Digits of the currency after the decimal point.
        number_at: Index of each number column.
        code_at: Index of each column of codes, days, or numbers that are classified by value.
        days: Lowest day and number of days of each column of days.
        values: FEEL values of the codes of columns that are classified by value.
    """
    coded: list[tuple[int, ...]] = []
    places: list[Array] = []
    ordered: list[tuple[int, ...]] = []
    boundaries: list[Array] = []
    relative: list[tuple[int, ...]] = []
    customer_values: list[Array] = []
    strides: list[int] = []
    counts: list[int] = []
    first_words: list[int] = []
    words: list[Array] = []
    terms = len(wanted.accumulator_of)
    width = -(-terms // TERM_BITS)
    stride, first_place, first_boundary, first_word = 1, 0, 0, 0
    order, first_day = -1, 0
    for dimension in wanted.dimensions:
        field = wanted.table.fields[dimension.field]
        column = table.columns[dimension.field]
        if dimension.relative is not None:
            is_number = dimension.field in number_at
            at = number_at if is_number else code_at
            null = int(NULLS[column.kind])
            kinds = _of_relations(dimension)
            place = sum(map(len, customer_values))
            relative.append((at[dimension.field], int(is_number), place, stride, null))
            customer_values.append(_customer_values(dimension.relative, column, batch))
        elif dimension.field in code_at:
            low = 0
            if dimension.field in days:
                low, size = days[dimension.field]
                holds = _of_days(dimension, low, size)
                if dimension.field == wanted.table.order:
                    order = code_at[dimension.field]
                    first_day = low + _first_of_use(wanted, dimension, holds)
            elif dimension.by_value:
                holds = _of_values(dimension, values[dimension.field], decimals_of(field, digits))
            else:
                holds = _of_codes(dimension, column)
            kinds, class_of = _distinct(holds)
            coded.append((code_at[dimension.field], low, len(class_of), first_place, int(low != 0)))
            places.append(class_of * stride)
            first_place += len(class_of)
        else:
            steps = _boundaries(dimension, decimals_of(field, digits), field.nullable)
            kinds = _of_boundaries(dimension, steps, decimals_of(field, digits))
            ordered.append((number_at[dimension.field], first_boundary, len(steps), stride))
            boundaries.append(steps)
            first_boundary += len(steps)
        strides.append(stride)
        counts.append(len(kinds))
        first_words.append(first_word)
        words.append(_words(kinds, dimension, width))
        first_word += len(kinds) * width
        stride *= len(kinds)
    if stride >= 1 << 62:
        message = f"the rules use too many different conditions on {wanted.table.name}"
        raise UserError("plan.too-wide", message, "divide them into several rulesets")
    return Classes(
        np.array(coded, CODED),
        np.concatenate([*places, np.zeros(1, np.int64)]),
        np.array(ordered, ORDERED),
        np.concatenate([*boundaries, np.zeros(1, np.int64)]),
        np.array(relative, RELATIVE),
        np.concatenate([*customer_values, np.zeros(1, np.int64)]),
        np.array(strides, np.int64),
        np.array(counts, np.int64),
        np.array(first_words, np.int64),
        np.concatenate([*words, np.zeros(1, np.int64)]),
        width,
        wanted.accumulator_of,
        order,
        first_day,
    )


def _first_of_use(wanted: TablePlan, dimension: Dimension, holds: Array) -> int:
    """Return the index of the first day that some term allows, overflow guards excepted."""
    asked = np.concatenate([holds, np.ones((len(holds), 1), bool)], axis=1)
    overflow_guards = [
        i for i, one in enumerate(wanted.accumulators) if wanted.is_overflow_guard(one)
    ]
    useful = ~np.isin(wanted.accumulator_of, overflow_guards)
    allowed = asked[:, dimension.of_term[useful]].any(axis=1)
    return int(allowed.argmax()) if allowed.any() else len(holds)


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


def _of_relations(dimension: Dimension) -> Array:
    """Return, for each relation and predicate, whether the predicate accepts the relation."""
    return np.array(
        [[predicate.holds(r) for predicate in dimension.predicates] for r in range(4)], bool
    )


def _distinct(holds: Array) -> tuple[Array, Array]:
    """Return the distinct rows of a boolean table, and the index of each row among them."""
    _, first, inverse = np.unique(
        np.packbits(holds, axis=1), axis=0, return_index=True, return_inverse=True
    )
    return holds[first], inverse.astype(np.int64).ravel()


def _words(kinds: Array, dimension: Dimension, width: int) -> Array:
    """Return the terms that each class satisfies, as words of bits."""
    asked = np.concatenate([kinds, np.ones((len(kinds), 1), bool)], axis=1)
    allowed = asked[:, dimension.of_term]
    bits = np.zeros((len(kinds), width * TERM_BITS), np.int64)
    bits[:, : allowed.shape[1]] = allowed
    powers = np.left_shift(np.int64(1), np.arange(TERM_BITS, dtype=np.int64))
    words: Array = (bits.reshape(len(kinds), width, TERM_BITS) * powers).sum(axis=2).ravel()
    return words


def _of_codes(dimension: Dimension, column: Column) -> Array:
    """Return, for each code and predicate, whether the predicate accepts the code's value."""
    boolean = column.kind is FieldType.BOOLEAN
    values: list[Any] = [False, True, None] if boolean else list(column.dictionary)
    holds = np.zeros((len(values), len(dimension.predicates)), bool)
    mentions: dict[Any, list[int]] = {}
    for i, predicate in enumerate(dimension.predicates):
        if isinstance(predicate, OneOf):
            holds[:, i] = predicate.others
            for value in predicate.values:
                mentions.setdefault(value, []).append(i)
        else:
            holds[:, i] = [predicate.holds(value) for value in values]
    for code, value in enumerate(values):
        if value in mentions:
            holds[code, mentions[value]] ^= True
    return holds


def _of_days(dimension: Dimension, low: int, size: int) -> Array:
    """Return, for each day and predicate, whether the predicate accepts it; null comes first."""
    days = np.arange(low, low + size)
    holds = np.zeros((size, len(dimension.predicates)), bool)
    for i, predicate in enumerate(dimension.predicates):
        if isinstance(predicate, IntervalSet):
            for start, end in predicate.whole(0):
                first = 0 if start is None else max(start - low, 0)
                last = size if end is None else max(end - low + 1, 0)
                holds[first:last, i] = True
            holds[0, i] = predicate.null
        else:
            holds[1:, i] = [predicate.holds(Date(int(day))) for day in days[1:]]
            holds[0, i] = predicate.holds(None)
    return holds


def _of_values(dimension: Dimension, values: Sequence[Any], decimals: int) -> Array:
    """Return, for each value of a number and predicate, whether the predicate accepts the value."""
    counted = [None if value is None else value.scaleb(decimals) for value in values]
    return np.array(
        [
            [
                predicate.holds(units if isinstance(predicate, OverflowGuard) else value)
                for predicate in dimension.predicates
            ]
            for value, units in zip(values, counted, strict=True)
        ],
        bool,
    ).reshape(len(values), len(dimension.predicates))


def _boundaries(dimension: Dimension, decimals: int, nullable: bool) -> Array:
    """Return the numbers at which classes begin, in ascending order."""
    found = {NULL_MONEY + 1} if nullable else set[int]()
    for predicate in dimension.predicates:
        for part in predicate.parts if isinstance(predicate, Conjunction) else (predicate,):
            assert isinstance(part, IntervalSet | OverflowGuard)  # noqa: S101
            for low, high in part.whole(decimals):
                found.update(() if low is None else (low,))
                found.update(() if high is None else (high + 1,))
    inside = (boundary for boundary in found if NULL_MONEY < boundary < 2**63)
    return np.array(sorted(inside), np.int64)


def _of_boundaries(dimension: Dimension, boundaries: Array, decimals: int) -> Array:
    """Return, for each class and predicate, whether the predicate accepts the class's numbers."""
    lowest = [NULL_MONEY, *boundaries.tolist()]
    holds = np.zeros((len(lowest), len(dimension.predicates)), bool)
    for i, predicate in enumerate(dimension.predicates):
        holds[:, i] = True
        for part in predicate.parts if isinstance(predicate, Conjunction) else (predicate,):
            assert isinstance(part, IntervalSet | OverflowGuard)  # noqa: S101
            spans = part.whole(decimals)
            for place, number in enumerate(lowest):
                passes = any(
                    (a is None or a <= number) and (b is None or number <= b) for a, b in spans
                )
                if number == NULL_MONEY and NULL_MONEY + 1 in lowest:
                    passes = part.null
                holds[place, i] &= passes
    return holds
