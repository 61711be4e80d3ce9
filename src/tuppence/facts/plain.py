"""Writes the facts of one customer as plain values, the inverse of `submitted`."""

from collections.abc import Collection
from typing import Any

from tuppence.facts.batch import NULLS, Column, FactBatch
from tuppence.facts.rows import columns
from tuppence.facts.schema import FieldType, Schema
from tuppence.feel.values import Date

_ALWAYS = frozenset({"booking date", "amount", "account", "own transfer"})
"""Fields of transactions that submitted facts need."""


def plain_facts(
    batch: FactBatch, schema: Schema, as_of: Date, fields: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the facts of the one customer of a batch, as `submitted_facts_type` reads them.

    Args:
        batch: The facts of the customer.
        schema: Schema of the facts.
        as_of: Transactions after this day are left out.
        fields: Fields of transactions to keep; None for all.
    """
    given = columns("transactions", schema).keys()
    kept = given if fields is None else given & {*fields, *_ALWAYS}
    days = batch.transactions.columns["booking date"].values
    booked = int(days.searchsorted(as_of.day, side="right"))
    accounts, transactions = batch.accounts.columns, batch.transactions.columns
    return {
        "customer": {
            name: value
            for name, column in batch.customers.items()
            if (value := _values(column, 1)[0]) is not None
        },
        "accounts": {
            name: _values(column, len(column.values)) for name, column in accounts.items()
        },
        "transactions": {
            name: _values(column, booked) for name, column in transactions.items() if name in kept
        },
    }


def _values(column: Column, count: int) -> list[Any]:
    raw, null = column.values[:count].tolist(), NULLS[column.kind]
    match column.kind:
        case FieldType.TEXT:
            return [column.dictionary[code] for code in raw]
        case FieldType.DATE:
            return [None if day == null else str(Date(day)) for day in raw]
        case FieldType.BOOLEAN:
            return [None if flag == null else flag == 1 for flag in raw]
    return [None if number == null else number for number in raw]
