"""Groups of payments with one account, payee and direction, for whole batches.

docs/explanation/streams.md has the exact rules, `payments_reference` and `chains_reference` follow
them in plain Python.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop
from tuppence.derived.payees import Payees, find_payees
from tuppence.facts.batch import Array, Column, FactBatch, read_only

FIELDS: Final = frozenset(
    {"account", "amount", "booking date", "category", "merchant", "own transfer", "text", "type"}
)
"""Fields of transactions that streams depend on."""
MANDATE: Final = 1
CARD: Final = 2
PURCHASE: Final = 4
IGNORED: Final = 8
"""Bits of the types of transactions: by mandate, by card, perhaps by card, no payment."""
_TYPES: Final = {
    "direct debit": MANDATE,
    "standing order": MANDATE,
    "card": CARD | PURCHASE,
    "cash": IGNORED,
    "fee": IGNORED,
    "interest": IGNORED,
}
TOO_LARGE: Final = 2**52
"""Minor units from which a transaction is no payment, so that sums and products fit 64 bits."""
_CHUNK: Final = 16_384
"""Number of transactions whose payments are grouped at a time; they fit into a large cache."""


class RowArrays(NamedTuple):
    """Transactions as loops read them.

    Attributes:
        offsets: First row of each customer.
        days: Days of booking.
        amounts: Signed amounts in minor units.
        accounts: Codes of accounts.
        own: 1 for own transfers.
        types: Codes of types.
        merchants: Codes of merchants.
        texts: Codes of texts.
        bits: Bits of each type, by its code.
        of_merchant: Number of the payee of each merchant.
        of_text: Number of the payee of each text.
    """

    offsets: Any
    days: Any
    amounts: Any
    accounts: Any
    own: Any
    types: Any
    merchants: Any
    texts: Any
    bits: Any
    of_merchant: Any
    of_text: Any


class Groups(NamedTuple):
    """Arrays that receive the payments of some customers by group, in order of day and size.

    Attributes:
        rows: Row of each payment.
        days: Day of each payment.
        sizes: Size of each payment.
        bits: Bits of the type of each payment, with PURCHASE for money out only.
        starts: First payment of each group, and the number of all.
        accounts: Code of the account of each group.
        payees: Number of the payee of each group.
        is_income: Direction of each group.
        of_customer: First group of each customer, and the number of all.
        group_of: Group of each row, from the first row of the chunk; -1 for no payment.
        table: Array for a hash table of groups; its length is a power of two.
        stamps: Customer to which an entry of the table belongs.
    """

    rows: Any
    days: Any
    sizes: Any
    bits: Any
    starts: Any
    accounts: Any
    payees: Any
    is_income: Any
    of_customer: Any
    group_of: Any
    table: Any
    stamps: Any


def rows_of(batch: FactBatch) -> tuple[RowArrays, Payees]:
    """Return the transactions of a batch as loops read them, and their payees."""
    table = batch.transactions.columns
    payees = find_payees(table["merchant"], table["text"])
    bits = bits_of_types(table["type"])
    names = ("booking date", "amount", "account", "own transfer", "type", "merchant", "text")
    columns = (table[name].values for name in names)
    given = (batch.transactions.offsets, *columns, bits, payees.of_merchant, payees.of_text)
    return RowArrays._make(map(read_only, given)), payees


def bits_of_types(types: Column) -> Array:
    """Return the bits of each type, by its code."""
    bits = np.array([_TYPES.get(name or "", 0) for name in types.dictionary], np.int64)
    bits[0] = PURCHASE
    return bits


def chunks(offsets: Array) -> Iterator[tuple[int, int]]:
    """Yield first and last customers of chunks of about equally many transactions."""
    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, offsets[first] + _CHUNK, side="right")) - 1
        last = min(max(last, first + 1), count)
        yield first, last
        first = last


def room_for_groups(offsets: Array) -> Groups:
    """Return room for the groups of any chunk."""
    most = customers = 0
    for first, last in chunks(offsets):
        most = max(most, int(offsets[last] - offsets[first]))
        customers = max(customers, last - first)
    longest = int((offsets[1:] - offsets[:-1]).max(initial=0))
    slots = 1 << max(4, (2 * longest).bit_length())
    lengths = (*[most + 1] * 8, customers + 1, most + 1, slots)
    made = (np.zeros(length, np.int32) for length in lengths)
    groups = Groups._make((*made, np.full(slots, -1, np.int32)))
    return groups._replace(sizes=np.zeros(most + 1, np.int64))


def group_payments(rows: RowArrays, first: int, last: int, as_of: int, out: Groups) -> None:
    """Write the payments of the customers `first` to `last` to `out`, group by group."""
    _assign(rows, first, last, as_of, out)
    _scatter(rows, first, last, out)


@loop
def _assign(rows: RowArrays, first: int, last: int, as_of: int, out: Groups) -> None:
    """Write the group of each row, and count the payments of each in `starts`, one place late."""
    groups = 0
    base = rows.offsets[first]
    mask = len(out.table) - 1
    for customer in range(first, last):
        out.of_customer[customer - first] = groups
        for row in range(rows.offsets[customer], rows.offsets[customer + 1]):
            out.group_of[row - base] = -1
            amount = rows.amounts[row]
            if amount == 0 or amount <= -TOO_LARGE or amount >= TOO_LARGE:
                continue
            if rows.days[row] > as_of or rows.own[row] == 1:
                continue
            if rows.bits[rows.types[row]] == IGNORED:
                continue
            payee = rows.of_merchant[rows.merchants[row]]
            if payee == 0:
                payee = rows.of_text[rows.texts[row]]
                if payee == 0:
                    continue
            account = np.int64(rows.accounts[row])
            income = np.int64(amount > 0)
            mixed = (payee * 2 + income) * 0x9E3779B1 + account * 0x85EBCA77
            slot = (mixed ^ (mixed >> 15)) & mask
            while out.stamps[slot] == customer:
                group = out.table[slot]
                if (
                    out.payees[group] == payee
                    and out.accounts[group] == account
                    and out.is_income[group] == income
                ):
                    break
                slot = (slot + 1) & mask
            if out.stamps[slot] != customer:
                out.stamps[slot] = customer
                out.table[slot] = groups
                out.payees[groups] = payee
                out.accounts[groups] = account
                out.is_income[groups] = income
                out.starts[groups + 1] = 0
                groups += 1
            group = out.table[slot]
            out.starts[group + 1] += 1
            out.group_of[row - base] = group
    out.of_customer[last - first] = groups


@loop
def _scatter(rows: RowArrays, first: int, last: int, out: Groups) -> None:
    """Turn the counts of `_assign` into places, write the payments, and sort those of one day."""
    groups = out.of_customer[last - first]
    before = 0
    out.starts[0] = 0
    for group in range(groups):
        count = out.starts[group + 1]
        out.starts[group + 1] = before
        before += count
    base = rows.offsets[first]
    for row in range(base, rows.offsets[last]):
        group = out.group_of[row - base]
        if group < 0:
            continue
        at = out.starts[group + 1]  # the end of the group once all its payments are written
        out.starts[group + 1] = at + 1
        amount = rows.amounts[row]
        bits = rows.bits[rows.types[row]]
        out.rows[at] = row
        out.days[at] = rows.days[row]
        out.sizes[at] = abs(amount)
        out.bits[at] = bits & ~PURCHASE if amount > 0 else bits
    for group in range(groups):
        low = out.starts[group]
        while low < out.starts[group + 1]:
            high = low + 1
            while high < out.starts[group + 1] and out.days[high] == out.days[low]:
                high += 1
            gap = 1
            while gap < (high - low) // 3:
                gap = 3 * gap + 1
            while gap > 0 and high - low > 1:  # Shell's method; rows are in order at first
                for i in range(low + gap, high):
                    size, row, bits = out.sizes[i], out.rows[i], out.bits[i]
                    j = i
                    while j >= low + gap and (
                        out.sizes[j - gap] > size
                        or (out.sizes[j - gap] == size and out.rows[j - gap] > row)
                    ):
                        out.sizes[j] = out.sizes[j - gap]
                        out.rows[j] = out.rows[j - gap]
                        out.bits[j] = out.bits[j - gap]
                        j -= gap
                    out.sizes[j], out.rows[j], out.bits[j] = size, row, bits
                gap //= 3
            low = high
