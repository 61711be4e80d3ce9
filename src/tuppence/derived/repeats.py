"""Transactions that repeat one of a few days before, with the same account, merchant and amount."""

from decimal import Decimal
from typing import Any, Final

import numpy as np

from tuppence.compiled import loop
from tuppence.facts.batch import Array, Table
from tuppence.facts.schema import REPEATED_WITHIN

_BUCKETS: Final = 4_096
"""Number of lists in which earlier transactions are looked up; a power of two."""


def repeated(transactions: Table) -> Array:
    """Return 1 for each transaction that repeats an earlier one of a few days before, else 0.

    Returns:
        Shape (transactions,), of dtype uint8. Transactions without a merchant repeat none.
    """
    found = np.zeros(int(transactions.offsets[-1]), np.uint8)
    names = ("booking date", "account", "merchant", "amount")
    days, accounts, merchants, amounts = (transactions.columns[name].values for name in names)
    buckets, links = np.full(_BUCKETS, -1), np.zeros(len(found), np.int32)
    _find_repeated(
        transactions.offsets,
        days,
        accounts,
        merchants,
        amounts,
        REPEATED_WITHIN,
        buckets,
        links,
        found,
    )
    return found


def add_repeated_reference(transactions: list[dict[str, Any]]) -> None:
    """Add the field `repeated` to the transactions of one customer, in ascending order of days."""
    seen: dict[tuple[str, str, Decimal], int] = {}
    for row in transactions:
        merchant, day = row.get("merchant"), row["booking date"].day
        row["repeated"] = False
        if merchant is not None:
            same = row["account"], merchant, row["amount"]
            row["repeated"] = day - seen.get(same, day - REPEATED_WITHIN - 1) <= REPEATED_WITHIN
            seen[same] = day


@loop
def _find_repeated(
    offsets: Any,
    days: Any,
    accounts: Any,
    merchants: Any,
    amounts: Any,
    within: int,
    buckets: Any,
    links: Any,
    out: Any,
) -> None:
    """Write 1 to `out`, which holds zeros, where a transaction repeats one of a few days before.

    Transactions that may be equal are linked in buckets, since one day can have a hundred thousand
    others.

    Args:
        offsets: First transaction of each customer.
        days: Day of each transaction, ascending for a customer.
        accounts: Code of each transaction's account.
        merchants: Code of each transaction's merchant; 0 for none.
        amounts: Amount of each transaction.
        within: Greatest number of days between the two.
        buckets: Array for the last row of each bucket, filled with -1; a power of two long.
        links: Array for the row before each transaction in its bucket.
        out: Flags by transaction.
    """
    mask = len(buckets) - 1
    for customer in range(len(offsets) - 1):
        first = offsets[customer]
        for row in range(first, offsets[customer + 1]):
            if merchants[row] == 0:
                continue
            bucket = ((amounts[row] * 31 + merchants[row]) * 31 + accounts[row]) & mask
            before = buckets[bucket]
            links[row] = before
            buckets[bucket] = row
            while before >= first and days[row] - days[before] <= within:
                if (
                    amounts[before] == amounts[row]
                    and merchants[before] == merchants[row]
                    and accounts[before] == accounts[row]
                ):
                    out[row] = 1
                    break
                before = links[before]
