"""The facts that rules may read: tables, collections over them, and the customer's own fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tuppence.facts.schema import (
    ACCOUNTS,
    COLLECTIONS,
    STREAMS,
    TRANSACTIONS,
    Field,
    FieldType,
    Schema,
)
from tuppence.feel.values import Date
from tuppence.plan.predicates import ANY_ROW, IntervalSet, OneOf, RowFilter, conjoin, single_term


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of facts as they are stored.

    Attributes:
        name: Name of the table.
        fields: Fields by name.
        order: Name of the date field by which rows are sorted; empty if there is none.
        main: Name of the money field that COUNT_AND_SUM accumulators sum.
    """

    name: str
    fields: Mapping[str, Field]
    order: str
    main: str


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A collection that rules may read: some rows of a table.

    Attributes:
        table: The table.
        where: Filter that its rows pass.
        negated: Names of the fields whose sign is reversed.
    """

    table: Table
    where: RowFilter
    negated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The values and collections that an expression may read.

    Attributes:
        attributes: Single values by the path to them, such as `("customer", "region")`.
        collections: Collections by name.
    """

    attributes: Mapping[tuple[str, ...], Field]
    collections: Mapping[str, Collection]


def model_of(schema: Schema, as_of: Date) -> Model:
    """Return the model of a schema for a date; rows booked after the date are filtered out."""
    booked = single_term(
        "booking date", IntervalSet(((None, False, Decimal(as_of.day), True),), null=False)
    )
    tables = {
        "transactions": Table(
            "transactions", {f.name: f for f in TRANSACTIONS}, "booking date", "amount"
        ),
        "accounts": Table("accounts", {f.name: f for f in ACCOUNTS}, "", ""),
        "streams": Table("streams", {f.name: f for f in STREAMS}, "", "amount"),
    }
    not_own = single_term("own transfer", OneOf(frozenset({False})))
    spent = single_term("amount", IntervalSet(((None, False, Decimal(0), False),), null=False))
    received = single_term("amount", IntervalSet(((Decimal(0), False, None, False),), null=False))
    collections: dict[str, Collection] = {}
    for name, described in COLLECTIONS.items():
        where = booked if described.table == "transactions" else ANY_ROW
        if described.direction:
            sign = spent if described.direction == "out" else received
            where = conjoin(where, conjoin(not_own, sign))
        if described.kind:
            where = single_term("kind", OneOf(frozenset({described.kind})))
        negated = frozenset({"amount"}) if described.direction == "out" else frozenset()
        collections[name] = Collection(tables[described.table], where, negated)
    attributes: dict[tuple[str, ...], Field] = {
        ("customer", field.name): field for field in schema.customer
    }
    return Model(attributes, collections)


def decimals_of(field: Field, digits: int) -> int:
    """Return the number of digits after the point that stored values of a field have.

    Args:
        field: A number, money or date.
        digits: Digits of the customer's currency after the point.
    """
    return {FieldType.MONEY: digits, FieldType.NUMBER: field.decimals}.get(field.kind, 0)
