"""The tables of a batch with those derived columns that rules read."""

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from tuppence.derived.balances import account_balances
from tuppence.derived.categories import unusual_categories
from tuppence.derived.context import Derived
from tuppence.derived.forecasts import forecasts
from tuppence.derived.history import history_days
from tuppence.derived.merchants import at_merchants
from tuppence.derived.peers import among_peers
from tuppence.derived.repeats import repeated
from tuppence.derived.streams import FoundStreams, find_streams
from tuppence.facts.batch import Array, Column, FactBatch, Table
from tuppence.facts.schema import AMONG_PEERS, AT_MERCHANTS, FORECASTS, UNUSUAL, FieldType
from tuppence.feel.values import Date


class DerivedTables:
    """A batch with derived columns, each computed when it is first asked for.

    Args:
        batch: The facts.
        as_of: The date; later transactions are ignored.
        fields: Names of the fields that are read, derived or not.
    """

    def __init__(self, batch: FactBatch, as_of: Date, fields: Collection[str]) -> None:
        self._batch = batch
        self._as_of = as_of
        self._fields = fields

    def table(self, name: str) -> Table:
        """Return the table of accounts, transactions or streams."""
        match name:
            case "streams":
                return self._streams.table
            case "accounts":
                return self._accounts()
        return self._transactions()

    def customers(self) -> FactBatch:
        """Return the batch with the derived fields of customers."""
        columns = dict(self._batch.customers)
        if "history days" in self._fields:
            history = history_days(self._batch, self._as_of)
            columns["history days"] = Column(FieldType.NUMBER, history)
        if not UNUSUAL.isdisjoint(self._fields):
            columns |= unusual_categories(self._batch, self._as_of)
        if not AMONG_PEERS.isdisjoint(self._fields):
            columns |= among_peers(self._batch, self._as_of)
        return replace(self._batch, customers=columns)

    def of(self, customer: int, *, streams: bool) -> Derived:
        """Return the derived facts of a customer by index, with streams and forecasts if wanted."""
        first, last = self._batch.accounts.offsets[customer : customer + 2].tolist()
        forecasts = self._forecasts if streams else {}
        return Derived(
            self._balances[first:last],
            self._streams.table.slice(customer, customer + 1) if streams else None,
            {name: column.slice(first, last) for name, column in forecasts.items()},
        )

    @functools.cached_property
    def _streams(self) -> FoundStreams:
        return find_streams(self._batch, self._as_of)

    @functools.cached_property
    def _balances(self) -> Array:
        return account_balances(self._batch, self._as_of)

    @functools.cached_property
    def _forecasts(self) -> Mapping[str, Column]:
        return forecasts(self._streams, self._batch, self._balances, self._as_of)

    def _accounts(self) -> Table:
        accounts = self._batch.accounts
        columns = {**accounts.columns, "balance": Column(FieldType.MONEY, self._balances)}
        if not FORECASTS.isdisjoint(self._fields):
            columns |= self._forecasts
        return Table(accounts.offsets, columns)

    def _transactions(self) -> Table:
        accounts, transactions = self._batch.accounts, self._batch.transactions
        columns = dict(transactions.columns)
        if "account type" in self._fields:
            own, kind = columns["account"], accounts.columns["type"]
            type_of = np.append(kind.values, np.uint32(0))[self._batch.account_rows()]  # -1: null
            columns["account type"] = Column(FieldType.TEXT, type_of[own.values], kind.dictionary)
        if "repeated" in self._fields:
            columns["repeated"] = Column(FieldType.BOOLEAN, repeated(transactions))
        if not AT_MERCHANTS.isdisjoint(self._fields):
            columns |= at_merchants(self._batch)
        return Table(transactions.offsets, columns)
