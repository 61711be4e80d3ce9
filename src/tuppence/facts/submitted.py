"""Facts submitted as JSON, with one list per field, as in a batch."""

import functools
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol, cast

import msgspec
import numpy as np
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.assembled import assembled, joined_column, null_column, text_column
from tuppence.facts.batch import NULL_DATE, Column, FactBatch
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import parse_date

MAX_ROWS: Final = 100_000
"""Maximum number of transactions of one customer."""
_MAX_NUMBER: Final = 10**17
_TYPES: Final[Mapping[FieldType, Any]] = {
    FieldType.MONEY: Annotated[int, Meta(ge=-_MAX_NUMBER, le=_MAX_NUMBER)],
    FieldType.NUMBER: Annotated[int, Meta(ge=-_MAX_NUMBER, le=_MAX_NUMBER)],
    FieldType.DATE: Annotated[str, Meta(max_length=10)],
    FieldType.TEXT: Annotated[str, Meta(max_length=2_000)],
    FieldType.BOOLEAN: bool,
}
_LISTS: Final = "with one list for each field; all lists have the same length."
_FACTS: Final = """The facts of one customer.

    Attributes:
        customer: The customer.
        accounts: Their accounts.
        transactions: Their transactions.
    """
_GENERATED: Final = frozenset({"customer", "sequence"})


class SubmittedFacts(Protocol):
    """The facts of one customer, as `submitted_facts_type` reads them."""

    customer: Any
    accounts: Any
    transactions: Any


def submitted_facts_type(schema: Schema) -> type[SubmittedFacts]:
    """Return a struct for submitted facts: fields of the customer, lists for the other tables.

    Money is in minor units and dates are texts such as "2026-06-30". A field that can be null may
    be left out.
    """
    customer = [(f, _one(f)) for f in columns("customers", schema).values() if f.name != "id"]
    accounts = [(f, _many(f)) for f in _given("accounts", schema)]
    transactions = [(f, _many(f)) for f in _given("transactions", schema) if f.name != "id"]
    parts = [
        ("customer", _struct("SubmittedCustomer", "The customer.", customer)),
        ("accounts", _struct("SubmittedAccounts", f"The accounts, {_LISTS}", accounts)),
        ("transactions", _struct("SubmittedTransactions", f"Transactions, {_LISTS}", transactions)),
    ]
    made: Any = msgspec.defstruct(
        "SubmittedFacts", parts, namespace={"__doc__": _FACTS}, forbid_unknown_fields=True
    )
    return cast("type[SubmittedFacts]", made)


def submitted_batch(
    submitted: Sequence[SubmittedFacts], schema: Schema, fields: Collection[str] | None = None
) -> FactBatch:
    """Build a batch of the submitted facts of customers, in their order.

    Args:
        submitted: The facts of each customer; no two may have an account of the same id.
        schema: Schema of the facts.
        fields: The fields of transactions that are needed; None for all.

    Raises:
        UserError: A date is invalid, a currency is unknown, lists are of different lengths, two
            accounts have the same id, or a transaction belongs to no account.
    """
    names = [f"{number:08}" for number in range(len(submitted))]
    for given in submitted:
        _check(given)
    accounts_of_all = [account for given in submitted for account in given.accounts.id]
    if len(set(accounts_of_all)) < len(accounts_of_all):
        raise _wrong("accounts: two have the same id")
    customers = {
        f.name: _column([[getattr(g.customer, _attribute(f)) for g in submitted]], f)
        for f in columns("customers", schema).values()
        if f.name != "id"
    }
    accounts = _columns([g.accounts for g in submitted], _given("accounts", schema))
    wanted = [f for f in _given("transactions", schema) if f.name != "id"]
    if fields is not None:
        wanted = [f for f in wanted if f.name in {*fields, "booking date", "account"}]
    transactions = _columns([g.transactions for g in submitted], wanted)
    _check_owners(submitted, transactions["account"])
    owners = [n for n, g in zip(names, submitted, strict=True) for _ in g.accounts.id]
    return assembled(
        {"id": text_column(names, len(names)), **customers},
        {**accounts, "customer": text_column(owners, len(owners))},
        transactions,
    )


def account_ids(given: SubmittedFacts) -> Sequence[str]:
    """Return the identifiers of a customer's accounts."""
    ids: Sequence[str] = given.accounts.id
    return ids


def transaction_count(given: SubmittedFacts) -> int:
    """Return the number of a customer's transactions."""
    return len(given.transactions.amount)


@functools.lru_cache(maxsize=20_000)  # few dates, many rows
def _day(text: str) -> int:
    """Convert a date to days since 1970-01-01."""
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
    return Annotated[list[element], Meta(max_length=MAX_ROWS)]


def _described(kind: Any, field: Field) -> Any:
    """Return a type with the meaning of a field, which the OpenAPI document then has."""
    return Annotated[kind, Meta(description=field.doc)]


def _struct(name: str, doc: str, fields: Sequence[tuple[Field, Any]]) -> Any:
    made = [
        (_attribute(f), _described(kind | None, f), None)
        if f.nullable
        else (_attribute(f), _described(kind, f))
        for f, kind in fields
    ]
    names = {_attribute(f): f.name for f, _ in fields}
    return msgspec.defstruct(
        name,
        made,
        namespace={"__doc__": doc},
        rename=names,
        forbid_unknown_fields=True,
        kw_only=True,
    )


def _check(given: SubmittedFacts) -> None:
    if minor_digits(given.customer.currency) is None:
        raise _wrong("currency: it must be an ISO 4217 code such as GBP")
    for table, key in (("accounts", "id"), ("transactions", "amount")):
        part = getattr(given, table)
        rows = len(getattr(part, key))
        for name, values in zip(part.__struct_encode_fields__, _values(part), strict=True):
            if values is not None and len(values) != rows:
                raise _wrong(f"{table}: {name} has {len(values)} values, and {key} has {rows}")
    for account in given.accounts.id:
        check_identifier(account, "facts: accounts")


def _check_owners(submitted: Sequence[SubmittedFacts], account: Column) -> None:
    """Check that each transaction is of an account of its customer, in one look at all of them."""
    owner_of = {name: place for place, one in enumerate(submitted) for name in one.accounts.id}
    owner_of_code = np.array([owner_of.get(name or "", -1) for name in account.dictionary])
    counts = [transaction_count(one) for one in submitted]
    if (owner_of_code[account.values] == np.repeat(np.arange(len(submitted)), counts)).all():
        return
    for one in submitted:
        unknown = set(one.transactions.account) - set(one.accounts.id)
        if unknown:
            raise _wrong(f"transactions: there is no account {min(unknown)[:40]!r}")


def _values(part: Any) -> Iterator[Sequence[Any] | None]:
    return (getattr(part, name) for name in part.__struct_fields__)


def _columns(parts: Sequence[Any], fields: Sequence[Field]) -> dict[str, Column]:
    """Concatenate the columns of several customers."""
    made: dict[str, Column] = {}
    key = _attribute(next(f for f in fields if not f.nullable))
    counts = [len(getattr(part, key)) for part in parts]
    for field in fields:
        name = _attribute(field)
        given = [getattr(part, name) for part in parts]
        if all(values is None for values in given):
            made[field.name] = null_column(field, sum(counts))
            continue
        both = zip(given, counts, strict=True)
        made[field.name] = _column([[None] * n if v is None else v for v, n in both], field)
    return made


def _column(parts: Sequence[Sequence[Any]], field: Field) -> Column:
    """Return values of requests as a column."""
    count = sum(map(len, parts))
    if field.kind is not FieldType.DATE:
        return joined_column(parts, count, field)
    texts = text_column(itertools.chain.from_iterable(parts), count)
    days = [NULL_DATE if text is None else _day(text) for text in texts.dictionary]
    return Column(field.kind, np.array(days, np.int32)[texts.values], decimals=field.decimals)


def _wrong(message: str, hint: str = "") -> UserError:
    return UserError("request.facts", f"facts: {message}", hint)
