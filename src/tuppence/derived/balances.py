"""The last known balance of each account as of a date."""

from typing import Any

import numpy as np

from tuppence.compiled import loop
from tuppence.facts.batch import NULL_MONEY, Array, FactBatch
from tuppence.feel.values import Date


def account_balances(batch: FactBatch, as_of: Date) -> Array:
    """Return the last balance that the transactions of each account report, up to a date.

    Returns:
        Minor units, shape (accounts,); NULL_MONEY where no balance is known.
    """
    accounts, transactions = batch.accounts, batch.transactions
    found = np.full(len(accounts.columns["id"].values), NULL_MONEY, np.int64)
    if "balance" in transactions.columns:  # a batch may hold only some fields
        _last_balances(
            transactions.offsets,
            transactions.columns["booking date"].values,
            transactions.columns["account"].values,
            transactions.columns["balance"].values,
            batch.account_rows(),
            accounts.offsets,
            as_of.day,
            found,
        )
    return found


def reference_balances(one: FactBatch, booked: int) -> Array:
    """Return the last balances of one customer, according to the first `booked` transactions."""
    found = np.full(len(one.accounts.columns["id"].values), NULL_MONEY, np.int64)
    columns = one.transactions.columns
    if "balance" in columns:
        rows = one.account_rows()[columns["account"].values[:booked]].tolist()
        for row, balance in zip(rows, columns["balance"].values[:booked].tolist(), strict=True):
            if balance != NULL_MONEY:
                found[row] = balance
    return found


@loop
def _last_balances(
    offsets: Any,
    days: Any,
    accounts: Any,
    balances: Any,
    row_of: Any,
    account_offsets: Any,
    last_day: int,
    out: Any,
) -> None:
    """Write the last balance of each account to `out`, which holds nulls.

    Args:
        offsets: First transaction of each customer.
        days: Day of each transaction.
        accounts: Code of each transaction's account.
        balances: Balance after each transaction.
        row_of: Row of each account, by its code.
        account_offsets: First account of each customer.
        last_day: Day after which transactions are ignored.
        out: Balances by row of the accounts.
    """
    for customer in range(len(offsets) - 1):
        missing = account_offsets[customer + 1] - account_offsets[customer]
        row = offsets[customer + 1] - 1
        while missing > 0 and row >= offsets[customer]:
            if days[row] <= last_day and balances[row] != NULL_MONEY:
                account = row_of[accounts[row]]
                if out[account] == NULL_MONEY:
                    out[account] = balances[row]
                    missing -= 1
            row -= 1
