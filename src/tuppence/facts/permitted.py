"""Restricts facts to those that the customers' consents allow to be read."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.facts.batch import NULL_MONEY, FactBatch, Table
from tuppence.facts.consent import BALANCES, TRANSACTIONS, Access, is_readable
from tuppence.facts.schema import Schema
from tuppence.facts.source import FactSource

Mask = npt.NDArray[np.bool_]


class PermittedFacts:
    """Delivers the permitted facts of another source. Implements the port FactSource.

    Customers keep their positions in the partitions; those in `left_out` must not be evaluated.

    Args:
        source: All facts.
        limited: Access to the facts of each customer whose consents do not allow everything.
    """

    def __init__(self, source: FactSource, limited: Mapping[str, Access]) -> None:
        self._source = source
        self._limited = limited
        self.left_out = frozenset(customer for customer, access in limited.items() if not access)

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return self._source.schema

    @property
    def digest(self) -> str:
        """The digest of the current facts and of the access to them."""
        if not self._limited:
            return self._source.digest
        limits = [(customer, sorted(access)) for customer, access in sorted(self._limited.items())]
        return hashlib.sha256(f"{self._source.digest} {limits}".encode()).hexdigest()

    def partitions(self) -> Sequence[tuple[str, int]]:
        """Return the name and the number of customers of each partition."""
        return self._source.partitions()

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:
        """Return the facts of one partition that may be read."""
        return restrict(self._source.read(partition, fields), self._limited)

    def read_evaluable(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:
        """Return the facts of those customers of one partition who may be evaluated."""
        batch = self.read(partition, fields)
        if not self.left_out:
            return batch
        kept = [i for i, name in enumerate(batch.customer_ids) if name not in self.left_out]
        edges = [*kept, len(batch)]  # those who are left out have no rows in the tables
        return FactBatch(
            tuple(batch.customer_ids[place] for place in kept),
            {n: replace(c, values=c.values[kept]) for n, c in batch.customers.items()},
            replace(batch.accounts, offsets=batch.accounts.offsets[edges]),
            replace(batch.transactions, offsets=batch.transactions.offsets[edges]),
            batch.census,
        )

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer that may be read.

        Raises:
            UserError: The customer does not exist, or no consent gives access to transactions.
        """
        found = self._source.find(customer_id)
        if customer_id in self.left_out:
            message = f"no consent of customer {customer_id} allows their transactions to be read"
            hint = f"tuppence consent list {customer_id} shows what they agreed to, and until when"
            raise UserError("consent.none", message, hint)
        return restrict(found, self._limited)


def restrict(batch: FactBatch, limited: Mapping[str, Access]) -> FactBatch:
    """Return a batch without the accounts, transactions and balances that may not be read.

    An account whose transactions may not be read is left out together with them. If only its
    balances may not be read, its credit limit and the balances after its transactions are null.

    Args:
        batch: Facts of any customers.
        limited: Access to the facts of each customer whose consents do not allow everything.
    """
    places = [i for i, customer in enumerate(batch.customer_ids) if customer in limited]
    if not places:
        return batch
    accounts, transactions = batch.accounts, batch.transactions
    ids = accounts.columns["id"]
    kept, with_balance = np.ones((2, len(ids.values)), np.bool_)
    for place in places:
        access = limited[batch.customer_ids[place]]
        for row in range(int(accounts.offsets[place]), int(accounts.offsets[place + 1])):
            account = str(ids.dictionary[ids.values[row]])
            kept[row] = is_readable(access, TRANSACTIONS, account)
            with_balance[row] = is_readable(access, BALANCES, account)
    home = batch.account_rows()[transactions.columns["account"].values]
    return replace(
        batch,
        accounts=_filtered(_without_money(accounts, "credit limit", ~with_balance), kept),
        transactions=_filtered(
            _without_money(transactions, "balance", ~with_balance[home]), kept[home]
        ),
    )


def _without_money(table: Table, name: str, hidden: Mask) -> Table:
    """Return a table with nulls in some rows of a column of money, if it has that column."""
    if name not in table.columns:
        return table
    column = table.columns[name]
    values: npt.NDArray[Any] = np.where(hidden, NULL_MONEY, column.values)
    return replace(table, columns={**table.columns, name: replace(column, values=values)})


def _filtered(table: Table, kept: Mask) -> Table:
    """Return the rows of a table that are kept."""
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    columns = {n: replace(c, values=c.values[kept]) for n, c in table.columns.items()}
    return Table(before[table.offsets], columns)
