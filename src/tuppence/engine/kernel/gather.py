"""Gathers features from the rows of customers, in one pass over the rows.

For each customer: classify the rows, look their keys up, accumulate the rows, read the features.
"""

import math
from typing import Any, Final

from tuppence.compiled import loop, part_of_loops, sort
from tuppence.engine.kernel.layout import (
    NULL_CODE,
    NULL_NUMBER,
    Classes,
    GatherPlan,
    Memo,
    TableRows,
)
from tuppence.engine.kernel.memo import clear, find, flush, insert, place_of
from tuppence.plan.instructions import Aggregation, Readout
from tuppence.plan.predicates import GREATER, INCOMPARABLE, LESS, SAME

MAX_TRIED: Final = 16
"""Up to this number of boundaries, comparing with each is faster than a binary search."""

MAX_DIRECT: Final = 2
"""Up to this number of plain accumulators, an entry adds each row to them at once."""


@loop
def gather(
    rows: TableRows,
    classes: Classes,
    plan: GatherPlan,
    memo: Memo,
    start: int,
    stop: int,
    stride: int,
    out: Any,
) -> None:
    """Gather a table's features for customers start to stop into `out`.

    One function because it is one loop over rows, in which a call would cost more than its work.

    Args:
        rows: The table.
        classes: Maps rows to keys.
        plan: The features to gather.
        memo: Maps keys to accumulators.
        start: The first customer.
        stop: The customer after the last.
        stride: Distance in `out` between two features of a customer.
        out: The values of each feature by customer, one feature after another.
    """
    for customer in range(start, stop):
        memo.used[2] += 1
        low = rows.offsets[customer]
        end = rows.offsets[customer + 1]
        if classes.order >= 0:
            low = _first_from(rows.codes[classes.order], low, end, classes.first_day)
        many = end - low
        memo.counts[:] = 0
        memo.sums[:] = 0
        memo.row_keys[:many] = 0
        _add_codes(rows, classes, memo.row_keys, low, many)
        _add_numbers(rows, classes, memo.row_keys, low, many)
        _add_relations(rows, classes, memo.row_keys, customer, low, many)
        keys, found, row_keys, entries = memo.keys, memo.found, memo.row_keys, memo.entries
        mask = len(keys) - 1
        for j in range(many):
            key = row_keys[j]
            place = place_of(key, mask)
            while keys[place] != key and keys[place] != -1:
                place = (place + 1) & mask
            entry = found[place]
            if keys[place] == -1:
                entry = insert(classes, plan.plain, memo, key, place)
            entries[j] = entry
        pool, touched, entries = memo.pool, memo.touched, memo.entries
        entry_counts, entry_sums = memo.entry_counts, memo.entry_sums
        counts, sums, kept, stamps = memo.counts, memo.sums, memo.kept, memo.stamps
        accumulators, main_column = plan.accumulators, plan.main
        look = memo.used[2]
        main = rows.numbers[max(main_column, 0)]
        met = 0
        is_stale = False
        for j in range(many):
            row = low + j
            entry = entries[j]
            if entry < 0 or is_stale:
                entry = find(classes, plan.plain, memo, memo.row_keys[j]) if is_stale else -1
            if entry < 0:  # the memo is full: add up the entries met so far, and empty it
                flush(memo, met)
                met = 0
                clear(memo)
                is_stale = True
                entry = find(classes, plan.plain, memo, memo.row_keys[j])
            middle = pool[entry]
            end = pool[entry + 1]
            amount = main[row] if main_column >= 0 else 0
            if middle <= entry + MAX_DIRECT + 2:
                for p in range(entry + 2, middle):
                    a = pool[p]
                    counts[a] += 1
                    sums[a] += amount
            else:  # otherwise from the entry's totals, once all rows of the customer are seen
                if entry_counts[entry] == 0:
                    touched[met] = entry
                    met += 1
                entry_counts[entry] += 1
                entry_sums[entry] += amount
            for p in range(middle, end):
                a = pool[p]
                one = accumulators[a]
                aggregation, column, first, depth = (
                    one.aggregation,
                    one.column,
                    one.first,
                    one.depth,
                )
                if aggregation == Aggregation.ARGMIN or aggregation == Aggregation.ARGMAX:
                    number = amount if column == main_column else rows.numbers[column][row]
                    is_least = aggregation == Aggregation.ARGMIN
                    if counts[a] == 0 or (number < sums[a] if is_least else number > sums[a]):
                        kept[first] = row
                        sums[a] = number
                        counts[a] = 1
                elif aggregation == Aggregation.LAST:
                    kept[first + (counts[a] & (depth - 1))] = row  # a ring buffer
                    counts[a] += 1
                elif aggregation == Aggregation.FIRST:
                    if counts[a] < depth:
                        kept[first + counts[a]] = row
                        counts[a] += 1
                elif aggregation == Aggregation.DISTINCT:
                    stamp = first + max(rows.codes[column][row] - depth, 0)  # 0 for null
                    if stamps[stamp] != look:
                        stamps[stamp] = look
                        counts[a] += 1
                elif aggregation == Aggregation.SUM:
                    counts[a] += 1
                    sums[a] += rows.numbers[column][row]
                else:
                    kept[first + counts[a]] = rows.numbers[column][row]
                    counts[a] += 1
        flush(memo, met)
        for a in range(plan.plain, len(counts)):
            if accumulators[a].aggregation == Aggregation.VALUES:
                sort(kept, accumulators[a].first, accumulators[a].first + counts[a])
        features, accumulators = plan.features, plan.accumulators
        counts, sums, kept = memo.counts, memo.sums, memo.kept
        for f in range(len(features)):
            feature = features[f]
            a, readout, column = feature.accumulator, feature.readout, feature.column
            one = accumulators[a]
            count, first = counts[a], one.first
            value = math.nan
            if readout == Readout.COUNT:
                value = float(count)
            elif readout == Readout.SUM:
                value = float(sums[a])
            elif readout == Readout.TWICE_MEDIAN:
                if count > 0:
                    value = float(kept[first + (count - 1) // 2] + kept[first + count // 2])
            elif readout == Readout.DISTINCT_VALUES:
                different = 0
                for j in range(count):
                    if j == 0 or kept[first + j] != kept[first + j - 1]:
                        different += 1
                value = float(different)
            elif count > feature.position:
                at = feature.position
                if one.aggregation == Aggregation.LAST:
                    at = (count - 1 - at) & (one.depth - 1)
                row = kept[first + at]
                if readout == Readout.NUMBER_AT:
                    number = rows.numbers[column][row]
                    if number != NULL_NUMBER:
                        value = float(number)
                else:
                    code = rows.codes[column][row]
                    if readout == Readout.TEXT_AT:
                        if code != 0:
                            value = float(plan.text_numbers[plan.texts[column] + code])
                    elif code != NULL_CODE:
                        value = float(code)
            out[f * stride + customer - start] = value


@part_of_loops
def _first_from(days: Any, low: int, high: int, first_day: int) -> int:
    """Return the first of some rows, sorted by day, that is not before a day."""
    while low < high:
        middle = (low + high) // 2
        if days[middle] < first_day:
            low = middle + 1
        else:
            high = middle
    return low


# -- classify --------------------------------------------------------------------------------------


@part_of_loops
def _add_codes(rows: TableRows, classes: Classes, row_keys: Any, low: int, many: int) -> None:
    for d in range(len(classes.coded)):
        one = classes.coded[d]
        lowest, size = one.lowest, one.places
        codes = rows.codes[one.column][low : low + many]
        adds = classes.places[one.first_place : one.first_place + size]
        if one.is_clamped == 0:
            for j in range(many):
                row_keys[j] += adds[codes[j]]
        else:
            for j in range(many):
                row_keys[j] += adds[min(max(codes[j] - lowest, 0), size - 1)]


@part_of_loops
def _add_numbers(rows: TableRows, classes: Classes, row_keys: Any, low: int, many: int) -> None:
    for d in range(len(classes.ordered)):
        one = classes.ordered[d]
        stride, count = one.stride, one.boundaries
        numbers = rows.numbers[one.column][low : low + many]
        boundaries = classes.boundaries[one.first_boundary : one.first_boundary + count]
        if count <= MAX_TRIED:
            for b in range(count):
                boundary = boundaries[b]
                for j in range(many):
                    row_keys[j] += stride if numbers[j] >= boundary else 0
        else:
            for j in range(many):
                number = numbers[j]
                reached = 0
                left = count
                while left > 0:  # binary search for the number of boundaries that it reaches
                    half = (left + 1) // 2
                    if number >= boundaries[reached + half - 1]:
                        reached += half
                        left -= half
                    else:
                        left = half - 1
                row_keys[j] += stride * reached


@part_of_loops
def _add_relations(
    rows: TableRows, classes: Classes, row_keys: Any, customer: int, low: int, many: int
) -> None:
    for d in range(len(classes.relative)):
        one = classes.relative[d]
        wanted = classes.customer_values[one.first_value + customer]
        stride, null = one.stride, one.null
        for j in range(many):
            if one.is_number == 1:
                number = rows.numbers[one.column][low + j]
            else:
                number = rows.codes[one.column][low + j]
            relation = SAME
            if number != wanted:
                if number == null or wanted == null:
                    relation = INCOMPARABLE
                else:
                    relation = LESS if number < wanted else GREATER
            row_keys[j] += stride * relation
