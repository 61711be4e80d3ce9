"""What the planner knows of the facts: tables, the collections over them, the customer's fields."""

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
    """RowSelection as they are kept.

    Attributes:
        name: Of the table.
        fields: By name.
        order: The date by which its rows are sorted; empty where there is none.
        main: The money column that plain sums are of.
    """

    name: str
    fields: Mapping[str, Field]
    order: str
    main: str


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """Some rows of a table, as rules see them.

    Attributes:
        table: Whose rows they are.
        where: Which of them.
        negated: The fields whose sign is turned.
    """

    table: Table
    where: RowFilter
    negated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What an expression may read.

    Attributes:
        attributes: Single values by the path to them, such as `("customer", "region")`.
        collections: By name.
    """

    attributes: Mapping[tuple[str, ...], Field]
    collections: Mapping[str, Collection]


def model_of(schema: Schema, as_of: Date) -> Model:
    """Return the model of the facts that rules read, without rows booked after the date."""
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
    """How many digits after the point a stored value of the field has.

    Args:
        field: A number, money or date.
        digits: Of the customer's currency.
    """
    return {FieldType.MONEY: digits, FieldType.NUMBER: field.decimals}.get(field.kind, 0)
