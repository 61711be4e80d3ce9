"""The facts of one customer as of one date, as the values that FEEL works on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tuppence.compiled import Loops
from tuppence.facts.batch import NULLS, Column, FactBatch, Table
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import (
    ACCOUNTS,
    COLLECTIONS,
    REPEATED_WITHIN,
    STREAMS,
    TRANSACTIONS,
    Field,
    Kind,
)
from tuppence.facts.streams import streams_of
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
        streams: Whether bills, subscriptions and incomes are wanted: they have to be found.

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
    _derive_accounts(accounts, transactions)
    _derive_repeated(transactions)
    customer["history days"] = Decimal(as_of.day - int(days[0]) if booked else 0)
    payments, receipts = _split(transactions)
    found = _streams(one, as_of, digits) if streams else {}
    return {
        "customer": customer,
        "accounts": Rows(accounts, _ACCOUNT_FIELDS),
        "transactions": Rows(transactions, _TRANSACTION_FIELDS),
        "payments": Rows(payments, _TRANSACTION_FIELDS),
        "receipts": Rows(receipts, _TRANSACTION_FIELDS),
        **found,
    }


def _streams(one: FactBatch, as_of: Date, digits: int) -> Row:
    """The collections of streams of the one customer of a batch."""
    table = streams_of(one, as_of, Loops(use_compiler=False))
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


def _rows(table: Table, count: int, digits: int) -> list[Row]:
    names = list(table.columns)
    columns = [feel_values(column, count, digits) for column in table.columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _derive_accounts(accounts: list[Row], transactions: list[Row]) -> None:
    balances: dict[str, Decimal] = {}
    types = {account["id"]: account["type"] for account in accounts}
    for row in transactions:
        row["account type"] = types[row["account"]]
        balance = row.get("balance")  # a batch may hold some fields only
        if balance is not None:
            balances[row["account"]] = balance
    for account in accounts:
        account["balance"] = balances.get(account["id"])


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
