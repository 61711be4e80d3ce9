"""Facts that somebody hands over in JSON: a column for each field, as in a batch."""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol, cast

import msgspec
import polars as pl
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import Field, Kind, Schema
from tuppence.feel.values import parse_date

MOST_ROWS: Final = 100_000
"""Transactions of one customer."""
_LARGEST: Final = 10**17
_TYPES: Final[Mapping[Kind, Any]] = {
    Kind.MONEY: Annotated[int, Meta(ge=-_LARGEST, le=_LARGEST)],
    Kind.NUMBER: Annotated[int, Meta(ge=-_LARGEST, le=_LARGEST)],
    Kind.DATE: Annotated[str, Meta(max_length=10)],
    Kind.TEXT: Annotated[str, Meta(max_length=2_000)],
    Kind.BOOLEAN: bool,
}
_GENERATED: Final = frozenset({"customer", "sequence"})


class Given(Protocol):
    """The facts of one customer, as `given_type` reads them."""

    customer: Any
    accounts: Any
    transactions: Any


def given_type(schema: Schema) -> type[Given]:
    """The struct of given facts: fields of the customer, columns of accounts and transactions.

    Money is in minor units and dates are texts such as "2026-06-30". A column that can be null may
    be left out.
    """
    customer = [(f, _one(f)) for f in columns("customers", schema).values() if f.name != "id"]
    accounts = [(f, _many(f)) for f in _given("accounts", schema)]
    transactions = [(f, _many(f)) for f in _given("transactions", schema) if f.name != "id"]
    parts = [
        ("customer", _struct("GivenCustomer", customer)),
        ("accounts", _struct("GivenAccounts", accounts)),
        ("transactions", _struct("GivenTransactions", transactions)),
    ]
    made: Any = msgspec.defstruct("GivenFacts", parts, forbid_unknown_fields=True)
    return cast("type[Given]", made)


def given_batch(
    all_given: Sequence[Given], schema: Schema, fields: Collection[str] | None = None
) -> FactBatch:
    """The batch of customers, in their order; no two may have an account of the same id.

    Args:
        all_given: Their facts.
        schema: Of the facts.
        fields: The fields of transactions that are needed; all where it is None.

    Raises:
        UserError: A date is none, a currency is not known, columns are of different lengths,
            two accounts have the same id, or a transaction is of no account.
    """
    names = [f"{number:08}" for number in range(len(all_given))]
    for given in all_given:
        _check(given)
    accounts_of_all = [account for given in all_given for account in given.accounts.id]
    if len(set(accounts_of_all)) < len(accounts_of_all):
        raise _wrong("accounts: two have the same id")
    customers = {
        f.name: [_stored(getattr(g.customer, _attribute(f)), f) for g in all_given]
        for f in columns("customers", schema).values()
        if f.name != "id"
    }
    accounts = _columns([g.accounts for g in all_given], _given("accounts", schema))
    wanted = [f for f in _given("transactions", schema) if f.name != "id"]
    if fields is not None:
        wanted = [f for f in wanted if f.name in fields]
    transactions = _columns([g.transactions for g in all_given], wanted)
    rows = len(transactions["amount"])
    owners = [n for n, g in zip(names, all_given, strict=True) for _ in g.accounts.id]
    sequence = pl.int_range(rows, dtype=pl.Int64, eager=True)
    tables = {
        "customers": _frame({"id": names, **customers}, "customers", schema),
        "accounts": _frame({**accounts, "customer": owners}, "accounts", schema),
        "transactions": _frame(
            {**transactions, "id": sequence.cast(pl.String), "sequence": sequence},
            "transactions",
            schema,
        ),
    }
    return batch_from(ordered(coded(tables, schema, fields)), schema)


def account_ids(given: Given) -> Sequence[str]:
    """The identifiers of a customer's accounts."""
    ids: Sequence[str] = given.accounts.id
    return ids


def rows_of(given: Given) -> int:
    """How many transactions a customer has."""
    return len(given.transactions.amount)


@functools.lru_cache(maxsize=20_000)  # few dates, many rows
def _day(text: str) -> int:
    """Days since 1970-01-01."""
    date = parse_date(text)
    if date is None:
        raise _wrong(f"{text[:20]!r} is not a date", "write it as 2026-06-30")
    return date.day


def _given(table: str, schema: Schema) -> list[Field]:
    return [f for name, f in columns(table, schema).items() if name not in _GENERATED]


def _attribute(field: Field) -> str:
    return field.name.replace(" ", "_")


def _one(field: Field) -> Any:
    return _TYPES[field.kind] | None if field.nullable else _TYPES[field.kind]


def _many(field: Field) -> Any:
    element: Any = _one(field)
    return Annotated[list[element], Meta(max_length=MOST_ROWS)]


def _struct(name: str, fields: Sequence[tuple[Field, Any]]) -> Any:
    made = [
        (_attribute(f), kind | None, None) if f.nullable else (_attribute(f), kind)
        for f, kind in fields
    ]
    names = {_attribute(f): f.name for f, _ in fields}
    return msgspec.defstruct(name, made, rename=names, forbid_unknown_fields=True, kw_only=True)


def _check(given: Given) -> None:
    if minor_digits(given.customer.currency) is None:
        raise _wrong("currency: a code of ISO 4217 such as GBP is needed")
    for table, key in (("accounts", "id"), ("transactions", "amount")):
        part = getattr(given, table)
        rows = len(getattr(part, key))
        for name, values in zip(part.__struct_encode_fields__, _values(part), strict=True):
            if values is not None and len(values) != rows:
                raise _wrong(f"{table}: {name} has {len(values)} values, and {key} has {rows}")
    accounts = set(given.accounts.id)
    for account in accounts:
        check_identifier(account, "facts: accounts")
    unknown = set(given.transactions.account) - accounts
    if unknown:
        raise _wrong(f"transactions: there is no account {min(unknown)[:40]!r}")


def _values(part: Any) -> Iterator[Sequence[Any] | None]:
    return (getattr(part, name) for name in part.__struct_fields__)


def _columns(parts: Sequence[Any], fields: Sequence[Field]) -> dict[str, list[Any]]:
    """The columns of many, end to end."""
    made: dict[str, list[Any]] = {}
    key = _attribute(next(f for f in fields if not f.nullable))
    for field in fields:
        name, whole = _attribute(field), list[Any]()
        for part in parts:
            values = getattr(part, name)
            whole += [None] * len(getattr(part, key)) if values is None else values
        if field.kind is Kind.DATE:
            whole = [None if text is None else _day(text) for text in whole]
        made[field.name] = whole
    return made


def _stored(value: Any, field: Field) -> Any:
    return _day(value) if field.kind is Kind.DATE and value is not None else value


def _frame(data: Mapping[str, Any], table: str, schema: Schema) -> pl.DataFrame:
    types = {n: POLARS_TYPES[f.kind] for n, f in columns(table, schema).items() if n in data}
    return pl.DataFrame([pl.Series(n, data[n], kind) for n, kind in types.items()])


def _wrong(message: str, hint: str = "") -> UserError:
    return UserError("request.facts", f"facts: {message}", hint)
