"""The category whose spending is unusual for a customer, for whole batches.

docs/explanation/insights-from-data.md has the exact rules, `standouts_reference` follows them in
plain Python.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop, part_of_loops
from tuppence.derived.groups import PURCHASE, bits_of_types
from tuppence.derived.standouts import MIN_EARLIER, TOO_LARGE, noticeable_differences, stands_out
from tuppence.facts.batch import NULL_MONEY, Column, FactBatch, read_only
from tuppence.facts.schema import FieldType
from tuppence.feel.values import Date

FACTOR: Final = 2
"""A sum that stands out is to the largest at least so many times as that is to the median."""
PERIOD_DAYS: Final = 30
PERIODS: Final = MIN_EARLIER + 1
"""Number of periods: the last one, and those that it is compared with."""


class _Rows(NamedTuple):
    """Transactions as the loop reads them.

    Attributes:
        offsets: First row of each customer.
        days: Days of booking.
        amounts: Signed amounts in minor units.
        own: 1 for own transfers.
        types: Codes of types.
        categories: Codes of categories.
        refunded: Refunded amounts.
        bits: Bits of each type, by its code.
        noticeable: The noticeable difference of each customer's currency; -1 where not known.
    """

    offsets: Any
    days: Any
    amounts: Any
    own: Any
    types: Any
    categories: Any
    refunded: Any
    bits: Any
    noticeable: Any


class _Room(NamedTuple):
    """Arrays that receive the sums of one customer.

    Attributes:
        places: Customer and place of the sums of each category, by its code.
        codes: Code of the category at each place.
        sums: Sum of each period at each place, the last period first.
        largest: Largest purchase of the last period at each place.
        earlier: Array for sorting.
    """

    places: Any
    codes: Any
    sums: Any
    largest: Any
    earlier: Any


def unusual_categories(batch: FactBatch, as_of: Date) -> Mapping[str, Column]:
    """Return the derived fields of customers about the category that is unusual for them.

    Args:
        batch: The facts.
        as_of: The date; later transactions are ignored.

    Returns:
        `unusual category`, `unusual spending` and `usual spending`, null where nothing is unusual.
    """
    table = batch.transactions
    columns = table.columns
    names = ("booking date", "amount", "own transfer", "type", "category", "refunded")
    read = (table.offsets, *(columns[name].values for name in names))
    dictionary = columns["category"].dictionary
    most = min(len(dictionary), int(table.row_counts.max(initial=0))) + 1
    codes = np.zeros(len(batch), np.uint32)
    amounts = np.full((2, len(batch)), NULL_MONEY, np.int64)
    given = (*read, bits_of_types(columns["type"]), noticeable_differences(batch))
    _find(
        _Rows._make(map(read_only, given)),
        as_of.day,
        _Room(
            np.full((len(dictionary), 2), -1, np.int64),
            np.zeros(most, np.int64),
            np.zeros((most, PERIODS), np.int64),
            np.zeros(most, np.int64),
            np.zeros(PERIODS - 1, np.int64),
        ),
        codes,
        amounts,
    )
    return {
        "unusual category": Column(FieldType.TEXT, codes, dictionary),
        "unusual spending": Column(FieldType.MONEY, amounts[0]),
        "usual spending": Column(FieldType.MONEY, amounts[1]),
    }


@loop
def _find(rows: _Rows, as_of: int, room: _Room, codes: Any, amounts: Any) -> None:
    """Write the code of each customer's unusual category, its last sum, and its usual one.

    Args:
        rows: The transactions.
        as_of: The date.
        room: Room, in which no category has been seen.
        codes: Holds nulls.
        amounts: Holds nulls.
    """
    for customer in range(len(rows.offsets) - 1):
        first, end = rows.offsets[customer], rows.offsets[customer + 1]
        noticeable = rows.noticeable[customer]
        if noticeable < 0 or first == end or rows.days[first] > as_of - PERIODS * PERIOD_DAYS:
            continue
        most = 0
        for place in range(_add_up(rows, customer, as_of, room)):
            recent = room.sums[place, 0]
            if recent < noticeable or recent >= TOO_LARGE or not _is_looked_at(room, place):
                continue
            others = recent - room.largest[place]  # one purchase alone is not spending
            if stands_out(others, room.earlier, PERIODS - 1, noticeable, FACTOR):
                middle = (PERIODS - 1) // 2
                doubled_usual = room.earlier[middle] + room.earlier[middle - 1]
                if 2 * recent - doubled_usual > most:
                    most = 2 * recent - doubled_usual
                    codes[customer] = room.codes[place]
                    amounts[0, customer] = recent
                    amounts[1, customer] = doubled_usual // 2


@part_of_loops
def _add_up(rows: _Rows, customer: int, as_of: int, room: _Room) -> int:
    """Write the spending on each category in each period; return the number of categories."""
    count = 0
    for row in range(rows.offsets[customer], rows.offsets[customer + 1]):
        age = as_of - rows.days[row]
        if age < 0:
            break
        category, amount = rows.categories[row], rows.amounts[row]
        if age >= PERIODS * PERIOD_DAYS or category == 0 or rows.own[row] == 1:
            continue
        if amount >= 0 or amount <= -TOO_LARGE or rows.bits[rows.types[row]] & PURCHASE == 0:
            continue
        size = -amount
        if rows.refunded[row] > 0:
            size = max(size - rows.refunded[row], 0)
        if room.places[category, 0] != customer:
            room.places[category, 0] = customer
            room.places[category, 1] = count
            room.codes[count] = category
            room.largest[count] = 0
            for period in range(PERIODS):
                room.sums[count, period] = 0
            count += 1
        place = room.places[category, 1]
        room.sums[place, age // PERIOD_DAYS] += size
        if age < PERIOD_DAYS:
            room.largest[place] = max(room.largest[place], size)
    return count


@part_of_loops
def _is_looked_at(room: _Room, place: int) -> bool:
    """Return whether a category was paid for in each earlier period, and copy the sums of these."""
    for period in range(1, PERIODS):
        spent = room.sums[place, period]
        if spent == 0 or spent >= TOO_LARGE:
            return False
        room.earlier[period - 1] = spent
    return True
