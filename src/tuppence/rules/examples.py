"""Converts the facts of a test customer, as written in a rule file, to a batch."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tuppence.errors import UserError
from tuppence.facts.assembled import assembled, column_of
from tuppence.facts.batch import Column, FactBatch
from tuppence.facts.census import AGES, COMPARED, INCOMES, Census, cohort_name
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import Date, parse_date
from tuppence.rules.rule import Example

CUSTOMER_ID: Final = "test customer"
_USUAL: Final = Field("usual", FieldType.MONEY, "", nullable=False)
_RISES: Final = Field("rises", FieldType.NUMBER, "", nullable=False, decimals=4)
_REPEATS: Final = frozenset({"days ago", "every", "times"})
Raw = Mapping[str, Any]


def example_date(example: Example) -> Date:
    """Return the date of evaluation.

    Raises:
        UserError: The text is not a date.
    """
    date = parse_date(example.as_of)
    if date is None:
        raise _wrong(example, "as_of", example.as_of, "be a date such as 2026-06-15")
    return date


def example_facts(example: Example, schema: Schema) -> FactBatch:
    """Return the facts of a test customer.

    Raises:
        UserError: A field does not exist or has a value of the wrong type.
    """
    currency = str(example.customer.get("currency", "GBP"))
    digits = minor_digits(currency)
    if digits is None:
        raise _wrong(example, "currency", currency, "be an ISO 4217 code such as GBP")
    customer = {"id": CUSTOMER_ID, **example.customer, "currency": currency}
    accounts = [
        {"id": "main", "type": "current", "customer": customer["id"], **account}
        for account in example.accounts or [{}]
    ]
    first = accounts[0]["id"]
    rows = [
        {"account": first, "own transfer": False, **row}
        for row in _repeated(example, example_date(example))
    ]
    rows = [{**row, "id": str(i), "sequence": str(i)} for i, row in enumerate(rows)]
    customers, owned, transactions = (
        _columns(example, values, columns(table, schema), digits)
        for table, values in (
            ("customers", [customer]),
            ("accounts", accounts),
            ("transactions", rows),
        )
    )
    known = {account["id"] for account in accounts}
    for table, name in (("customer", customer["id"]), *(("account", name) for name in known)):
        check_identifier(str(name), f"the test {example.name!r}: {table}")
    for account in accounts:
        if account["customer"] != customer["id"]:
            raise _wrong(example, "customer", account["customer"], f"be {customer['id']}")
    for row in rows:
        if row["account"] not in known:
            raise _wrong(
                example, "account", row["account"], f"be one of {', '.join(sorted(known))}"
            )
    del transactions["id"]
    batch = assembled(customers, owned, transactions)
    return replace(batch, census=_census(example, currency, digits))


def _census(example: Example, currency: str, digits: int) -> Census | None:
    """Return a census of the month, in which all cohorts have the same figures."""
    given = example.census
    if given is None:
        return None
    for name in given.usual:
        if name not in COMPARED:
            raise _wrong(example, "a category of usual", name, f"be one of {', '.join(COMPARED)}")
    usual = {name: _stored(example, _USUAL, one, digits) for name, one in given.usual.items()}
    rises = {name: _stored(example, _RISES, one, digits) for name, one in given.rises.items()}
    groups = itertools.product(range(len(AGES) + 1), range(len(INCOMES) + 1))
    cohorts = [cohort_name(currency, age, income) for age, income in groups]
    day = example_date(example).day
    return Census(day, dict.fromkeys(cohorts, usual), {currency: rises})


def _repeated(example: Example, as_of: Date) -> list[dict[str, Any]]:
    """Return the transactions with booking dates and repetitions, oldest first."""
    dated: list[tuple[int, dict[str, Any]]] = []
    for row in example.transactions:
        times = _whole(example, "times", row.get("times", "1"))
        every = _whole(example, "every", row.get("every", "30"))
        if "days ago" in row:
            day = as_of.day - _whole(example, "days ago", row["days ago"])
        else:
            date = parse_date(str(row.get("booking date")))
            if date is None:
                text = row.get("booking date")
                raise _wrong(example, "booking date", text, "be a date, or days ago: a number")
            day = date.day
        plain = {name: value for name, value in row.items() if name not in _REPEATS}
        for n in range(times):
            date_text = str(Date(day - n * every))
            dated.append((day - n * every, {**plain, "booking date": date_text}))
    return [row for _, row in sorted(dated, key=lambda pair: pair[0])]


def _whole(example: Example, name: str, value: Any) -> int:
    if not str(value).isdecimal():
        raise _wrong(example, name, value, "be a whole number")
    return int(value)


def _columns(
    example: Example, rows: Sequence[Raw], fields: Mapping[str, Field], digits: int
) -> dict[str, Column]:
    for row in rows:
        for name in row:
            if name not in fields:
                message = f"the test {example.name!r} has {name}, which is not a field"
                raise UserError("example.field", message, f"the fields are: {', '.join(fields)}")
    return {
        name: column_of([_stored(example, field, row.get(name), digits) for row in rows], field)
        for name, field in fields.items()
    }


def _stored(example: Example, field: Field, value: Any, digits: int) -> Any:
    """Convert a value of a rule file to the form in which it is stored."""
    if value is None:
        if not field.nullable:
            raise _wrong(example, field.name, value, "not be null")
        return None
    match field.kind:
        case FieldType.TEXT:
            return str(value)
        case FieldType.BOOLEAN if isinstance(value, bool):
            return value
        case FieldType.DATE:
            date = parse_date(str(value))
            if date is not None:
                return date.day
        case FieldType.MONEY | FieldType.NUMBER:
            places = digits if field.kind is FieldType.MONEY else field.decimals
            try:
                scaled = Decimal(str(value)).scaleb(places)
            except InvalidOperation:
                scaled = Decimal("NaN")
            if scaled.is_finite() and scaled == scaled.to_integral_value():
                return int(scaled)
    raise _wrong(example, field.name, value, f"be of type {field.kind.value}")


def _wrong(example: Example, name: str, value: Any, wanted: str) -> UserError:
    message = f"the test {example.name!r} has {value!r} as {name}; it must {wanted}"
    return UserError("example.value", message)
