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

    def of(self, customer: int, *, transactions: bool, streams: bool) -> Derived:
        """Return the derived facts of a customer by index.

        Args:
            customer: The index.
            transactions: Whether to include those of transactions.
            streams: Whether to include streams and forecasts.
        """
        first, last = self._batch.accounts.offsets[customer : customer + 2].tolist()
        one = self._batch.slice(customer, customer + 1)  # few customers are looked at in detail
        forecasts = self._forecasts if streams else {}
        return Derived(
            self._balances[first:last],
            _of_transactions(one, _derivable(one)) if transactions else None,
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
        transactions = self._batch.transactions
        derived = _of_transactions(self._batch, self._fields)
        return Table(transactions.offsets, {**transactions.columns, **derived})


def _of_transactions(batch: FactBatch, fields: Collection[str]) -> dict[str, Column]:
    """Return those derived columns of transactions that are among some fields."""
    accounts, transactions = batch.accounts, batch.transactions
    columns: dict[str, Column] = {}
    if "account type" in fields:
        own, kind = transactions.columns["account"], accounts.columns["type"]
        type_of = np.append(kind.values, np.uint32(0))[batch.account_rows()]  # -1: null
        columns["account type"] = Column(FieldType.TEXT, type_of[own.values], kind.dictionary)
    if not AT_MERCHANTS.isdisjoint(fields):
        columns |= at_merchants(batch)
    if "repeated" in fields:
        columns["repeated"] = Column(FieldType.BOOLEAN, repeated(transactions))
    return columns


def _derivable(batch: FactBatch) -> frozenset[str]:
    """Return the derived fields of transactions that follow from the columns of a batch."""
    given = batch.transactions.columns.keys()
    fields = {"account type"}
    if "merchant" in given:
        fields.add("repeated")
    if given >= {"category", "merchant", "type"}:
        fields |= AT_MERCHANTS
    return frozenset(fields)
