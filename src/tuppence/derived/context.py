"""The facts of one customer as of a date, derived ones included, as FEEL values."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tuppence.derived.balances import reference_balances
from tuppence.derived.forecasts import forecasts
from tuppence.derived.history import reference_history_days
from tuppence.derived.repeats import add_repeated_reference
from tuppence.derived.streams import search, table_of
from tuppence.facts.batch import Column, FactBatch, Table
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import (
    ACCOUNTS,
    COLLECTIONS,
    STREAMS,
    TRANSACTIONS,
    Field,
    Kind,
)
from tuppence.facts.values import feel_values
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import Date

Row = dict[str, Any]


def customer_context(batch: FactBatch, index: int, as_of: Date, *, streams: bool = False) -> Row:
    """Return what a rule reads of one customer; nothing booked after the date is known.

    Args:
        batch: Facts of some customers.
        index: Index of the customer.
        as_of: The date.
        streams: Find bills, subscriptions and incomes, and the forecasts that rest on them.

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
    balances = reference_balances(one, booked)
    _derive(accounts, {"balance": Column(Kind.MONEY, balances)}, digits)
    types = {account["id"]: account["type"] for account in accounts}
    for row in transactions:
        row["account type"] = types[row["account"]]
    add_repeated_reference(transactions)
    customer["history days"] = Decimal(reference_history_days(one, booked, as_of))
    payments, receipts = _split(transactions)
    found: Row = {}
    if streams:
        search_ = search(one, as_of)
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
    """Return the collections of streams of one customer."""
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


def _derive(accounts: list[Row], columns: Mapping[str, Column], digits: int) -> None:
    """Add derived fields to accounts."""
    for name, column in columns.items():
        values = feel_values(column, len(accounts), digits)
        for account, value in zip(accounts, values, strict=True):
            account[name] = value


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
