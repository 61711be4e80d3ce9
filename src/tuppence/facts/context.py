"""The facts of one customer as of one date, as the values that FEEL works on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tuppence.compiled import Loops
from tuppence.facts.batch import NULL_MONEY, NULLS, Array, Column, FactBatch, Table
from tuppence.facts.currency import minor_digits
from tuppence.facts.forecast import forecasts
from tuppence.facts.schema import (
    ACCOUNTS,
    COLLECTIONS,
    REPEATED_WITHIN,
    STREAMS,
    TRANSACTIONS,
    Field,
    Kind,
)
from tuppence.facts.streams import search, table_of
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import Date

Row = dict[str, Any]


def customer_context(batch: FactBatch, index: int, as_of: Date, *, streams: bool = False) -> Row:
    """What a rule sees of one customer of the batch; nothing booked after the date.

    Args:
        batch: Facts.
        index: Of the customer.
        as_of: The date.
        streams: Whether bills, subscriptions and incomes are wanted, and the forecasts that rest
            on them: they have to be found.

    Returns:
        A context with `customer` and the collections.
    """
    one = batch.slice(index, index + 1)
    currency = feel_values(one.customers["currency"], 1, 0)[0]
    digits = minor_digits(currency) or 0
    customer = {name: feel_values(column, 1, digits)[0] for name, column in one.customers.items()}
    accounts = _rows(one.accounts, len(one.accounts.columns["id"].values), digits)
    days = one.transactions.columns["booking date"].values
    booked = int(days.searchsorted(as_of.day, side="right"))
    transactions = _rows(one.transactions, booked, digits)
    balances = _balances(one, booked)
    _derive(accounts, {"balance": Column(Kind.MONEY, balances)}, digits)
    types = {account["id"]: account["type"] for account in accounts}
    for row in transactions:
        row["account type"] = types[row["account"]]
    _derive_repeated(transactions)
    customer["history days"] = Decimal(as_of.day - int(days[0]) if booked else 0)
    payments, receipts = _split(transactions)
    found: Row = {}
    if streams:
        search_ = search(one, as_of, Loops(use_compiler=False))
        found = _streams(table_of(search_, one), digits)
        _derive(accounts, forecasts(search_, one, balances, as_of), digits)
    return {
        "customer": customer,
        "accounts": Rows(accounts, _ACCOUNT_FIELDS),
        "transactions": Rows(transactions, _TRANSACTION_FIELDS),
        "payments": Rows(payments, _TRANSACTION_FIELDS),
        "receipts": Rows(receipts, _TRANSACTION_FIELDS),
        **found,
    }


def _streams(table: Table, digits: int) -> Row:
    """The collections of streams of one customer."""
    rows = _rows(table, int(table.offsets[-1]), digits)
    return {
        name: Rows([row for row in rows if row["kind"] == collection.kind], _STREAM_FIELDS)
        for name, collection in COLLECTIONS.items()
        if collection.kind
    }


def _row_fields(fields: Sequence[Field]) -> Mapping[str, RowField]:
    classes: dict[Kind, type] = {Kind.DATE: Date, Kind.TEXT: str, Kind.BOOLEAN: bool}
    return {f.name: RowField(classes.get(f.kind, Decimal), f.nullable) for f in fields}


_ACCOUNT_FIELDS: Final = _row_fields(ACCOUNTS)
_TRANSACTION_FIELDS: Final = _row_fields(TRANSACTIONS)
_STREAM_FIELDS: Final = _row_fields(STREAMS)
ROW_FIELDS: Final[Mapping[str, Mapping[str, RowField]]] = {
    "accounts": _ACCOUNT_FIELDS,
    "transactions": _TRANSACTION_FIELDS,
    "payments": _TRANSACTION_FIELDS,
    "receipts": _TRANSACTION_FIELDS,
    **{name: _STREAM_FIELDS for name, collection in COLLECTIONS.items() if collection.kind},
}
"""The fields of each collection of a customer."""


def _rows(table: Table, count: int, digits: int) -> list[Row]:
    names = list(table.columns)
    columns = [feel_values(column, count, digits) for column in table.columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _balances(one: FactBatch, booked: int) -> Array:
    """The last known balance of each account of one customer, in minor units."""
    found = np.full(len(one.accounts.columns["id"].values), NULL_MONEY, np.int64)
    columns = one.transactions.columns
    if "balance" in columns:  # a batch may hold some fields only
        rows = one.account_rows()[columns["account"].values[:booked]].tolist()
        for row, balance in zip(rows, columns["balance"].values[:booked].tolist(), strict=True):
            if balance != NULL_MONEY:
                found[row] = balance
    return found


def _derive(accounts: list[Row], columns: Mapping[str, Column], digits: int) -> None:
    """Add derived fields to rows of accounts."""
    for name, column in columns.items():
        values = feel_values(column, len(accounts), digits)
        for account, value in zip(accounts, values, strict=True):
            account[name] = value


def _derive_repeated(transactions: list[Row]) -> None:
    seen: dict[tuple[str, str, Decimal], int] = {}
    for row in transactions:
        merchant, day = row.get("merchant"), row["booking date"].day
        row["repeated"] = False
        if merchant is not None:
            same = row["account"], merchant, row["amount"]
            row["repeated"] = day - seen.get(same, day - REPEATED_WITHIN - 1) <= REPEATED_WITHIN
            seen[same] = day


def _split(transactions: list[Row]) -> tuple[list[Row], list[Row]]:
    payments: list[Row] = []
    receipts: list[Row] = []
    for row in transactions:
        if row["own transfer"]:
            continue
        amount = row["amount"]
        if amount < 0:
            payments.append({**row, "amount": CONTEXT.minus(amount)})
        elif amount > 0:
            receipts.append(row)
    return payments, receipts


def feel_values(column: Column, count: int, digits: int) -> list[Any]:
    """FEEL values of a column's first rows; money has so many digits after the point."""
    raw = column.values[:count].tolist()
    null = NULLS[column.kind]
    match column.kind:
        case Kind.TEXT:
            dictionary = column.dictionary
            return [dictionary[code] for code in raw]
        case Kind.DATE:
            return [None if day == null else Date(day) for day in raw]
        case Kind.BOOLEAN:
            return [None if flag == null else flag == 1 for flag in raw]
        case Kind.MONEY | Kind.NUMBER:
            unit = Decimal(1).scaleb(-(digits if column.kind is Kind.MONEY else column.decimals))
            multiply = CONTEXT.multiply
            return [None if n == null else multiply(Decimal(n), unit) for n in raw]
