"""The last known balance of each account as of a date.

A day may have several transactions, and files do not agree on their order. So the balance at the
end of a day is the one from which no other transaction of that day goes on.
"""

from collections import Counter
from typing import Any, Final

import numpy as np

from tuppence.compiled import loop, part_of_loops
from tuppence.facts.batch import NULL_MONEY, Array, FactBatch
from tuppence.feel.values import Date

MAX_OF_A_DAY: Final = 64
"""Number of transactions of an account on one day beyond which the last one counts."""
TOO_LARGE: Final = 2**52
"""Minor units of an amount or a balance from which the last counts, so that sums fit 64 bits."""


def account_balances(batch: FactBatch, as_of: Date) -> Array:
    """Return the balance of each account at the end of a date, as its transactions report it.

    Returns:
        Minor units, shape (accounts,); NULL_MONEY where no balance is known.
    """
    accounts, transactions = batch.accounts, batch.transactions
    found = np.full(len(accounts.columns["id"].values), NULL_MONEY, np.int64)
    if "balance" in transactions.columns:  # a batch may hold only some fields
        _closing_balances(
            transactions.offsets,
            transactions.columns["booking date"].values,
            transactions.columns["account"].values,
            transactions.columns["amount"].values,
            transactions.columns["balance"].values,
            batch.account_rows(),
            accounts.offsets,
            as_of.day,
            np.full(len(found), as_of.day + 1, np.int64),
            np.zeros((4, MAX_OF_A_DAY), np.int64),
            found,
        )
    return found


def reference_balances(one: FactBatch, booked: int) -> Array:
    """Return the balances of one customer after the first `booked` transactions."""
    found = np.full(len(one.accounts.columns["id"].values), NULL_MONEY, np.int64)
    columns = one.transactions.columns
    if "balance" not in columns:
        return found
    names = ("booking date", "amount", "balance")
    days, amounts, balances = (columns[name].values[:booked].tolist() for name in names)
    rows = one.account_rows()[columns["account"].values[:booked]].tolist()
    of_days: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for row, day, amount, balance in zip(rows, days, amounts, balances, strict=True):
        if balance != NULL_MONEY:
            of_days.setdefault(row, {}).setdefault(day, []).append((amount, balance))
    for row, of_day in of_days.items():
        latest = [of_day[day] for day in sorted(of_day, reverse=True)]
        closing = (reference_closing_balance(day) for day in latest)
        found[row] = next((one for one in closing if one is not None), latest[0][-1][1])
    return found


def reference_closing_balance(rows: list[tuple[int, int]]) -> int | None:
    """Return the balance after all transactions of a day, in whichever order they are.

    Args:
        rows: Amount of each, and the balance after it.

    Returns:
        None if each transaction goes on from another one, so that the day changes nothing.
    """
    if len(rows) == 1 or len(rows) > MAX_OF_A_DAY:
        return rows[-1][1]
    if any(max(abs(amount), abs(balance)) >= TOO_LARGE for amount, balance in rows):
        return rows[-1][1]
    after, before = Counter(b for _, b in rows), Counter(b - a for a, b in rows)
    ends, starts = after - before, before - after
    if not ends:
        return None
    total = sum(amount for amount, _ in rows)

    def gap(end: int) -> int:
        return min(abs(end - start - total) for start in starts)

    return min((b for _, b in reversed(rows) if b in ends), key=gap)


@loop
def _closing_balances(
    offsets: Any,
    days: Any,
    accounts: Any,
    amounts: Any,
    balances: Any,
    row_of: Any,
    account_offsets: Any,
    last_day: int,
    seen: Any,
    room: Any,
    out: Any,
) -> None:
    """Write the balance of each account to `out`, which holds nulls.

    Args:
        offsets: First transaction of each customer.
        days: Day of each transaction.
        accounts: Code of each transaction's account.
        amounts: Amount of each transaction.
        balances: Balance after each transaction.
        row_of: Row of each account, by its code.
        account_offsets: First account of each customer.
        last_day: Day after which transactions are ignored.
        seen: Earliest day that was looked at of each account; after `last_day` at first.
        room: Array for the transactions of a day.
        out: Balances by row of the accounts.
    """
    for customer in range(len(offsets) - 1):
        missing = account_offsets[customer + 1] - account_offsets[customer]
        row = offsets[customer + 1] - 1
        while missing > 0 and row >= offsets[customer]:
            account = row_of[accounts[row]]
            day = days[row]
            if day < seen[account] and balances[row] != NULL_MONEY:
                first_seen = seen[account] > last_day
                count, i = 0, row
                while i >= offsets[customer] and days[i] == day:
                    if accounts[i] == accounts[row] and balances[i] != NULL_MONEY:
                        if count < MAX_OF_A_DAY:
                            room[0, count], room[1, count] = amounts[i], balances[i]
                        count += 1
                    i -= 1
                end = _closing_balance(room, count)
                seen[account] = day
                if end != NULL_MONEY:
                    out[account] = end
                    seen[account] = -(1 << 40)
                    missing -= 1
                elif first_seen:
                    out[account] = balances[row]
            row -= 1


@part_of_loops
def _closing_balance(room: Any, count: int) -> int:
    """Return the balance after all transactions of a day, the latest first; null if each goes on.

    Args:
        room: Amounts, balances, and room to mark balances from which, and transactions that, go on.
        count: Number of transactions.
    """
    if count == 1 or count > MAX_OF_A_DAY:
        return int(room[1, 0])
    total = 0
    for i in range(count):
        total += room[0, i]
        room[2, i] = room[3, i] = 0
        if max(abs(room[0, i]), abs(room[1, i])) >= TOO_LARGE:
            return int(room[1, 0])
    for i in range(count - 1, -1, -1):  # of equal balances the latest stay
        for j in range(count):
            if room[3, j] == 0 and room[1, j] - room[0, j] == room[1, i]:
                room[2, i] = room[3, j] = 1
                break
    found, least = NULL_MONEY, 1 << 62
    for i in range(count):
        for j in range(count):
            if room[2, i] == 0 and room[3, j] == 0:
                gap = abs(room[1, i] - room[1, j] + room[0, j] - total)
                if gap < least:
                    found, least = room[1, i], gap
    return found
