"""Payments that stand out at their merchant, and prices after a trial, for whole batches.

docs/explanation/insights-from-data.md has the exact rules, `standouts_reference` follows them in
plain Python.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop, part_of_loops
from tuppence.derived.groups import IGNORED, PURCHASE, bits_of_types
from tuppence.derived.standouts import MIN_EARLIER, TOO_LARGE, noticeable_differences, stands_out
from tuppence.facts.batch import NULL_BOOLEAN, NULL_MONEY, Column, FactBatch, read_only
from tuppence.facts.schema import FieldType

FACTOR: Final = 3
"""A payment that stands out is to the largest at least so many times as that is to the median."""
SHORTEST_TRIAL: Final = 3
LONGEST_TRIAL: Final = 35
"""Minimum and maximum number of days from a trial to the first payment of the full price."""
TRIAL_CATEGORY: Final = "subscriptions"


class _Rows(NamedTuple):
    """Transactions as the loop reads them.

    Attributes:
        offsets: First row of each customer.
        days: Days of booking.
        amounts: Signed amounts in minor units.
        own: 1 for own transfers.
        types: Codes of types.
        merchants: Codes of merchants.
        categories: Codes of categories.
        bits: Bits of each type, by its code.
        noticeable: The noticeable difference of each customer's currency; -1 where not known.
    """

    offsets: Any
    days: Any
    amounts: Any
    own: Any
    types: Any
    merchants: Any
    categories: Any
    bits: Any
    noticeable: Any


class _Room(NamedTuple):
    """Arrays that receive what is known of merchants.

    Attributes:
        seen: The customer of each merchant, by its code, with their number of payments there, the
            largest size, and the last row.
        links: The row before each one at its merchant.
        sizes: The sizes of a customer's payments at one merchant.
    """

    seen: Any
    links: Any
    sizes: Any


class _Found(NamedTuple):
    """The fields of transactions that the loop writes."""

    unusual: Any
    largest_before: Any
    after_trial: Any


def at_merchants(batch: FactBatch) -> Mapping[str, Column]:
    """Return the derived fields of transactions that compare them with others at their merchant.

    Returns:
        `unusual`, `largest before` and `after trial`. They depend on earlier transactions only, so
        they are the same as of any date.
    """
    table = batch.transactions
    rows, columns = int(table.offsets[-1]), table.columns
    names = ("booking date", "amount", "own transfer", "type", "merchant", "category")
    bits, noticeable = bits_of_types(columns["type"]), noticeable_differences(batch)
    found = _Found(
        np.zeros(rows, np.uint8), np.full(rows, NULL_MONEY, np.int64), np.zeros(rows, np.uint8)
    )
    dictionary = columns["category"].dictionary
    of_trials = dictionary.index(TRIAL_CATEGORY) if TRIAL_CATEGORY in dictionary else -1
    given = (table.offsets, *(columns[name].values for name in names), bits, noticeable)
    _compare(
        _Rows._make(map(read_only, given)),
        of_trials,
        _Room(
            np.full((len(columns["merchant"].dictionary), 4), -1, np.int64),
            np.zeros(rows, np.int32),
            np.zeros(int(table.row_counts.max(initial=0)), np.int64),
        ),
        found,
    )
    return {
        "unusual": Column(FieldType.BOOLEAN, found.unusual),
        "largest before": Column(FieldType.MONEY, found.largest_before),
        "after trial": Column(FieldType.BOOLEAN, found.after_trial),
    }


@loop
def _compare(rows: _Rows, of_trials: int, room: _Room, out: _Found) -> None:
    """Compare each payment with the earlier ones at its merchant.

    Args:
        rows: The transactions.
        of_trials: Code of the category of services that one can try; -1 if nobody has it.
        room: Room, in which no merchant has been seen.
        out: Written to; it holds zeros and nulls.
    """
    for customer in range(len(rows.offsets) - 1):
        noticeable = rows.noticeable[customer]
        for row in range(rows.offsets[customer], rows.offsets[customer + 1]):
            if noticeable < 0:
                out.unusual[row] = NULL_BOOLEAN
            merchant, amount = rows.merchants[row], rows.amounts[row]
            if merchant == 0 or amount >= 0 or amount <= -TOO_LARGE or rows.own[row] == 1:
                continue
            bits = rows.bits[rows.types[row]]
            if bits == IGNORED:
                continue
            size = -amount
            if room.seen[merchant, 0] != customer:
                room.seen[merchant, 0] = customer
                room.seen[merchant, 1] = room.seen[merchant, 2] = 0
                room.seen[merchant, 3] = -1
            count, largest = room.seen[merchant, 1], room.seen[merchant, 2]
            before = room.seen[merchant, 3]
            if count == 1 and bits & PURCHASE != 0 and rows.categories[row] == of_trials:
                gap = rows.days[row] - rows.days[before]
                if SHORTEST_TRIAL <= gap <= LONGEST_TRIAL and 3 * -rows.amounts[before] <= size:
                    out.after_trial[row] = 1
            if count >= MIN_EARLIER:
                out.largest_before[row] = largest
                if noticeable >= 0 and size - largest >= max(noticeable, 2 * largest):
                    copied = _copy_sizes(rows, room, before)  # few come so far
                    out.unusual[row] = stands_out(size, room.sizes, copied, noticeable, FACTOR)
            room.links[row] = before
            room.seen[merchant, 1] = count + 1
            room.seen[merchant, 2] = max(largest, size)
            room.seen[merchant, 3] = row


@part_of_loops
def _copy_sizes(rows: _Rows, room: _Room, row: int) -> int:
    """Copy the sizes of a row and of those before it at its merchant; return how many."""
    count = 0
    while row >= 0:
        room.sizes[count] = -rows.amounts[row]
        count += 1
        row = room.links[row]
    return count
