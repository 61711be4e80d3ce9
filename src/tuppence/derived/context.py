"""The facts of one customer as of a date, derived ones included, as FEEL values."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.derived.balances import reference_balances
from tuppence.derived.forecasts_reference import Forecast, make_forecasts
from tuppence.derived.history import reference_history_days
from tuppence.derived.payments_reference import Transaction
from tuppence.derived.peers_reference import AmongPeers, Compared, compare_with_peers, rises_in
from tuppence.derived.repeats import add_repeated_reference
from tuppence.derived.standouts_reference import (
    AtMerchant,
    Spent,
    UnusualCategory,
    compare_at_merchants,
    find_unusual_category,
)
from tuppence.derived.streams_reference import Stream, find_streams
from tuppence.facts.batch import NULL_MONEY, Array, Column, FactBatch, Table
from tuppence.facts.currency import NOTICEABLE, minor_digits
from tuppence.facts.schema import (
    ACCOUNTS,
    AMONG_PEERS,
    AT_MERCHANTS,
    COLLECTIONS,
    CUSTOMER,
    FORECASTS,
    STREAMS,
    TRANSACTIONS,
    UNUSUAL,
    Field,
    FieldType,
)
from tuppence.facts.values import feel_values
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import Date

Row = dict[str, Any]


class Derived(NamedTuple):
    """Derived facts of one customer of a batch, in columns.

    Attributes:
        balances: Balance of each account, in minor units.
        streams: The fields of `STREAMS`; None if no rule reads them.
        forecasts: The fields of `FORECASTS` of each account; none if no rule reads them.
    """

    balances: Array
    streams: Table | None
    forecasts: Mapping[str, Column]


def customer_context(
    batch: FactBatch,
    index: int,
    as_of: Date,
    *,
    streams: bool = False,
    derived: Derived | None = None,
    names: Collection[str] = UNUSUAL | AMONG_PEERS | COLLECTIONS.keys(),
) -> Row:
    """Return the facts of one customer that rules read.

    Args:
        batch: Facts of some customers.
        index: Index of the customer.
        as_of: The date; later transactions are ignored.
        streams: Whether to include streams, and the forecasts that depend on them.
        derived: Facts derived for the whole batch; without them the reference implementation
            derives them, which takes much longer.
        names: Names that rules read; other collections and derived fields may be left out.

    Returns:
        A context with `customer` and the collections.
    """
    one = batch.slice(index, index + 1)
    currency = feel_values(one.customers["currency"], 1, 0)[0]
    digits = minor_digits(currency) or 0
    customer = {name: feel_values(column, 1, digits)[0] for name, column in one.customers.items()}
    accounts = _rows(one.accounts.columns, len(one.accounts.columns["id"].values), digits)
    days = one.transactions.columns["booking date"].values
    booked = int(days.searchsorted(as_of.day, side="right"))
    balances = reference_balances(one, booked) if derived is None else derived.balances
    in_currency = feel_values(Column(FieldType.MONEY, balances), len(accounts), digits)
    for account, balance in zip(accounts, in_currency, strict=True):
        account["balance"] = balance
    customer["history days"] = Decimal(reference_history_days(one, booked, as_of))
    least = NOTICEABLE.get(currency)
    noticeable = None if least is None else least * 10**digits
    if not UNUSUAL.isdisjoint(names):
        unusual = find_unusual_category(_spent(one.transactions, booked), as_of.day, noticeable)
        customer |= _feel_row(unusual, _UNUSUAL_FIELDS, digits)
    if not AMONG_PEERS.isdisjoint(names):
        born = None if customer["birth year"] is None else int(customer["birth year"])
        compared_one = Compared(currency, noticeable, born, _spent(one.transactions, booked))
        peers = compare_with_peers(compared_one, as_of.day, batch.census)
        customer |= _feel_row(peers, _AMONG_PEERS_FIELDS, digits)
    found: Row = {}
    if not _OF_TRANSACTIONS.isdisjoint(names):
        compared = compare_at_merchants(_spent(one.transactions, booked), noticeable)
        found |= _transactions(one, accounts, compared, digits)
    if streams:
        if derived is None or derived.streams is None:
            minor = _in_minor_units(one.transactions, booked)
            known = [None if balance == NULL_MONEY else balance for balance in balances.tolist()]
            balance_of = dict(zip((row["id"] for row in accounts), known, strict=True))
            rises = rises_in(batch.census, currency, as_of.day)
            stream_rows, forecasts = _by_reference(minor, balance_of, as_of, digits, rises)
        else:
            stream_rows = _rows(derived.streams.columns, int(derived.streams.offsets[-1]), digits)
            forecasts = _rows(derived.forecasts, len(accounts), digits)
        found |= _collections(stream_rows)
        for account, forecast in zip(accounts, forecasts, strict=True):
            account.update(forecast)
    return {"customer": customer, "accounts": Rows(accounts, _ACCOUNT_FIELDS), **found}


def _transactions(
    one: FactBatch, accounts: Sequence[Row], compared: Sequence[AtMerchant], digits: int
) -> Row:
    """Return the collections of transactions of one customer, the first of which are booked.

    Args:
        one: The facts of the customer.
        accounts: The accounts as FEEL values.
        compared: The booked transactions in comparison with others at their merchant.
        digits: Digits of the customer's currency after the decimal point.
    """
    transactions = _rows(one.transactions.columns, len(compared), digits)
    types = {account["id"]: account["type"] for account in accounts}
    for row, at_merchant in zip(transactions, compared, strict=True):
        row["account type"] = types[row["account"]]
        row.update(_feel_row(at_merchant, _AT_MERCHANT_FIELDS, digits))
    add_repeated_reference(transactions)
    payments, receipts = _split(transactions)
    return {
        "transactions": Rows(transactions, _TRANSACTION_FIELDS),
        "payments": Rows(payments, _TRANSACTION_FIELDS),
        "receipts": Rows(receipts, _TRANSACTION_FIELDS),
    }


_OF_TRANSACTIONS: Final = frozenset(
    name for name, collection in COLLECTIONS.items() if collection.table == "transactions"
)


def _by_reference(
    transactions: Sequence[Transaction],
    balance_of: Mapping[str, int | None],
    as_of: Date,
    digits: int,
    rises: Mapping[str, int],
) -> tuple[list[Row], list[Row]]:
    """Return the streams of one customer, and the forecast of each account, as FEEL values."""
    streams = [
        stream._replace(rise_of_many=rises.get(stream.payee))
        for stream in find_streams(transactions, as_of.day)
    ]
    forecast_of = make_forecasts(transactions, streams, balance_of, as_of.day)
    return (
        [_feel_row(stream, STREAMS, digits) for stream in streams],
        [_feel_row(forecast_of[account], _FORECAST_FIELDS, digits) for account in balance_of],
    )


def _in_minor_units(table: Table, count: int) -> list[Transaction]:
    """Return the first rows of a table of transactions as the references read them."""
    columns = {name: feel_values(table.columns[name], count, 0) for name in _AS_THEY_ARE}
    days, amounts = (table.columns[name].values.tolist() for name in ("booking date", "amount"))
    rows = zip(days[:count], amounts[:count], *columns.values(), strict=True)
    return [
        Transaction(account, day, amount, own is True, type_, category, merchant, text)
        for day, amount, account, own, type_, category, merchant, text in rows
    ]


_AS_THEY_ARE: Final = ("account", "own transfer", "type", "category", "merchant", "text")


def _spent(table: Table, count: int) -> list[Spent]:
    """Return the first rows of a table of transactions as the references read them.

    Columns that were not read are null: no rule asks for what is derived from them.
    """
    columns, nothing = table.columns, [None] * count
    days, amounts = (columns[name].values.tolist() for name in ("booking date", "amount"))
    names = ("own transfer", "type", "category", "merchant", "refunded")
    others = [
        feel_values(columns[name], count, 0) if name in columns else nothing for name in names
    ]
    rows = zip(days[:count], amounts[:count], *others, strict=True)
    return [
        Spent(day, amount, own is True, type_, category, merchant, refunded and int(refunded))
        for day, amount, own, type_, category, merchant, refunded in rows
    ]


def _collections(rows: Sequence[Row]) -> Row:
    """Return the collections of streams of one customer."""
    return {
        name: Rows([row for row in rows if row["kind"] == collection.kind], _STREAM_FIELDS)
        for name, collection in COLLECTIONS.items()
        if collection.kind
    }


def _feel_row(
    values: Stream | Forecast | AtMerchant | UnusualCategory | AmongPeers,
    fields: Sequence[Field],
    digits: int,
) -> Row:
    """Return the fields that a reference has derived as FEEL values."""
    return {
        field.name: _feel_value(getattr(values, field.name.replace(" ", "_")), field, digits)
        for field in fields
    }


def _feel_value(value: Any, field: Field, digits: int) -> Any:
    if value is None or field.kind in {FieldType.TEXT, FieldType.BOOLEAN}:
        return value
    if field.kind is FieldType.DATE:
        return Date(value)
    places = digits if field.kind is FieldType.MONEY else field.decimals
    return CONTEXT.multiply(Decimal(value), Decimal(1).scaleb(-places))


def row_fields(fields: Sequence[Field]) -> Mapping[str, RowField]:
    """Return the Python classes of fields by name."""
    classes: dict[FieldType, type] = {
        FieldType.DATE: Date,
        FieldType.TEXT: str,
        FieldType.BOOLEAN: bool,
    }
    return {f.name: RowField(classes.get(f.kind, Decimal), f.nullable) for f in fields}


_ACCOUNT_FIELDS: Final = row_fields(ACCOUNTS)
_TRANSACTION_FIELDS: Final = row_fields(TRANSACTIONS)
_STREAM_FIELDS: Final = row_fields(STREAMS)
ROW_FIELDS: Final[Mapping[str, Mapping[str, RowField]]] = {
    "accounts": _ACCOUNT_FIELDS,
    "transactions": _TRANSACTION_FIELDS,
    "payments": _TRANSACTION_FIELDS,
    "receipts": _TRANSACTION_FIELDS,
    **{name: _STREAM_FIELDS for name, collection in COLLECTIONS.items() if collection.kind},
}
"""The fields of each collection of a customer."""
_FORECAST_FIELDS: Final = [field for field in ACCOUNTS if field.name in FORECASTS]
_AT_MERCHANT_FIELDS: Final = [field for field in TRANSACTIONS if field.name in AT_MERCHANTS]
_UNUSUAL_FIELDS: Final = [field for field in CUSTOMER if field.name in UNUSUAL]
_AMONG_PEERS_FIELDS: Final = [field for field in CUSTOMER if field.name in AMONG_PEERS]


def _rows(columns: Mapping[str, Column], count: int, digits: int) -> list[Row]:
    values = [feel_values(column, count, digits) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


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
