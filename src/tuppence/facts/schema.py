"""The closed, typed schema of what a rule may read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from tuppence.errors import UserError
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import BOOLEAN, DATE, NUMBER, STRING, ContextOf, ListOf, Type, nullable
from tuppence.structured import read_yaml


class Kind(Enum):
    """How a field is stored, and so what type a rule sees."""

    MONEY = "money"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    BOOLEAN = "boolean"

    @property
    def feel_type(self) -> Type:
        """The type in FEEL; money is a number in the main unit of the customer's currency."""
        types = {Kind.DATE: DATE, Kind.TEXT: STRING, Kind.BOOLEAN: BOOLEAN}
        return types.get(self, NUMBER)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a customer, an account or a transaction.

    Attributes:
        name: As rules write it.
        kind: How it is stored.
        doc: What it means.
        nullable: Whether it can be missing.
        unit: Of its number; empty where it has none.
        decimals: Digits after the point that a NUMBER keeps.
        derived: Computed from the other facts as of the date, never imported.
        personal: Names or identifies a person.
    """

    name: str
    kind: Kind
    doc: str
    nullable: bool = True
    unit: str = ""
    decimals: int = 0
    derived: bool = False
    personal: bool = False

    @property
    def feel_type(self) -> Type:
        """The type in FEEL, with null where the field can be missing."""
        return nullable(self.kind.feel_type) if self.nullable else self.kind.feel_type


ACCOUNT_TYPES: Final = ("current", "savings", "credit card", "loan")
TRANSACTION_TYPES: Final = (
    "card", "cash", "direct debit", "fee", "interest", "salary", "standing order", "transfer",
)  # fmt: skip
"""How a transaction was paid, in the words that rules and the finding of streams know."""

MONEY_UNIT: Final = "main unit of the customer's currency"

CUSTOMER: Final = (
    Field("currency", Kind.TEXT, "The currency of all the customer's money, ISO 4217.", False),
    Field("country", Kind.TEXT, "Where the customer lives, ISO 3166 alpha-2."),
    Field("region", Kind.TEXT, "Part of the country."),
    Field("birth year", Kind.NUMBER, "Year of birth.", unit="year", personal=True),
    Field("home", Kind.TEXT, "How the customer lives: own, mortgage, rent or family."),
    Field("household size", Kind.NUMBER, "People in the household.", unit="people"),
    Field("since", Kind.DATE, "Day the customer joined."),
    Field(
        "history days",
        Kind.NUMBER,
        "Days from the first known transaction to the date of evaluation; 0 without any.",
        False,
        unit="days",
        derived=True,
    ),
)

ACCOUNTS: Final = (
    Field("id", Kind.TEXT, "The account's identifier.", False, personal=True),
    Field("type", Kind.TEXT, "current, savings, credit card or loan.", False),
    Field("name", Kind.TEXT, "What the customer or the bank calls it.", personal=True),
    Field("opened", Kind.DATE, "Day it was opened."),
    Field("credit limit", Kind.MONEY, "Arranged overdraft or card limit.", unit=MONEY_UNIT),
    Field(
        "balance",
        Kind.MONEY,
        "Balance after the last transaction whose balance is known.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field("pay day", Kind.DATE, "When the customer's largest income is due next.", derived=True),
    Field(
        "forecast",
        Kind.MONEY,
        "What it will hold before the pay day; null where too little is known.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "forecast low",
        Kind.MONEY,
        "Four of five times it will hold no less than this and no more than `forecast high`.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field("forecast high", Kind.MONEY, "See `forecast low`.", unit=MONEY_UNIT, derived=True),
)

FORECASTS: Final = frozenset({"pay day", "forecast", "forecast low", "forecast high"})
"""Fields of accounts that look ahead."""

TRANSACTIONS: Final = (
    Field("booking date", Kind.DATE, "Day it was booked, never after the evaluation's.", False),
    Field("amount", Kind.MONEY, "Signed: negative is money out.", False, unit=MONEY_UNIT),
    Field("category", Kind.TEXT, "What it was for, such as groceries or energy."),
    Field(
        "category confidence", Kind.NUMBER, "How sure that is, 0 to 1.", unit="share", decimals=2
    ),
    Field("merchant", Kind.TEXT, "Whom it was paid to, by a normalised name."),
    Field(
        "merchant confidence", Kind.NUMBER, "How sure that is, 0 to 1.", unit="share", decimals=2
    ),
    Field("type", Kind.TEXT, "How it was paid: card, direct debit, standing order, cash, …"),
    Field("text", Kind.TEXT, "The bank's description.", personal=True),
    Field("country", Kind.TEXT, "Where it was made, ISO 3166 alpha-2."),
    Field(
        "foreign currency",
        Kind.TEXT,
        "In which it was paid, ISO 4217, where that is not the customer's.",
    ),
    Field(
        "refunded", Kind.MONEY, "What came back of this payment; null for none.", unit=MONEY_UNIT
    ),
    Field("own transfer", Kind.BOOLEAN, "Between the customer's own accounts.", False),
    Field("account", Kind.TEXT, "Identifier of its account.", False, personal=True),
    Field("account type", Kind.TEXT, "Type of its account.", False, derived=True),
    Field("balance", Kind.MONEY, "The account's balance after it.", unit=MONEY_UNIT),
    Field(
        "repeated",
        Kind.BOOLEAN,
        "The same amount, merchant and account as one of the two days before, or of that day.",
        False,
        derived=True,
    ),
)

REPEATED_WITHIN: Final = 2
"""Days between two transactions of which the later is `repeated`."""


STREAMS: Final = (
    Field("kind", Kind.TEXT, "bill, subscription or income.", False, derived=True),
    Field(
        "payee",
        Kind.TEXT,
        "Merchant, or the text without numbers.",
        False,
        derived=True,
        personal=True,
    ),
    Field("category", Kind.TEXT, "Of its last payment.", derived=True),
    Field(
        "cadence", Kind.TEXT, "weekly, fortnightly, four-weekly, monthly, …", False, derived=True
    ),
    Field("state", Kind.TEXT, "early, mature or stopped.", False, derived=True),
    Field("times", Kind.NUMBER, "How often it was paid.", False, "payments", derived=True),
    Field("amount", Kind.MONEY, "Of its last payment, positive.", False, MONEY_UNIT, derived=True),
    Field("previous amount", Kind.MONEY, "Of the payment before.", False, MONEY_UNIT, derived=True),
    Field(
        "change",
        Kind.MONEY,
        "The last amount less the one before, 0 where that is the same.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field(
        "typical amount", Kind.MONEY, "The middle of all payments.", False, MONEY_UNIT, derived=True
    ),
    Field(
        "monthly amount",
        Kind.MONEY,
        "The last amount for a month.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field("first date", Kind.DATE, "Day of its first payment.", False, derived=True),
    Field("last date", Kind.DATE, "Day of its last payment.", False, derived=True),
    Field("next date", Kind.DATE, "Day when it is due, or was.", False, derived=True),
    Field("window days", Kind.NUMBER, "By which that may be off.", False, "days", derived=True),
    Field("confidence", Kind.NUMBER, "How sure it is, 0 to 1.", False, "share", 3, derived=True),
    Field("account", Kind.TEXT, "Identifier of its account.", False, derived=True, personal=True),
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A list of rows that rules may read.

    Attributes:
        doc: What is in it.
        table: Whose rows they are.
        direction: `out` or `in` where it is only money that goes out, with positive amounts, or
            comes in; own transfers are left out of both.
        kind: Where it is only streams of one kind.
    """

    doc: str
    table: str
    direction: str = ""
    kind: str = ""


COLLECTIONS: Final[Mapping[str, Collection]] = {
    "transactions": Collection(
        "All transactions, oldest first, with signed amounts.", "transactions"
    ),
    "payments": Collection(
        "Money out, oldest first, with positive amounts; own transfers are left out.",
        "transactions",
        "out",
    ),
    "receipts": Collection(
        "Money in, oldest first; own transfers are left out.", "transactions", "in"
    ),
    "accounts": Collection("The customer's accounts.", "accounts"),
    "bills": Collection(
        "What recurs by direct debit, standing order or transfer, as found in the payments.",
        "streams",
        kind="bill",
    ),
    "subscriptions": Collection(
        "What recurs by card, as found in the payments.", "streams", kind="subscription"
    ),
    "incomes": Collection("Pay and whatever else comes in again.", "streams", kind="income"),
}
TABLES: Final[Mapping[str, tuple[Field, ...]]] = {
    "accounts": ACCOUNTS,
    "transactions": TRANSACTIONS,
    "streams": STREAMS,
}
"""The fields of the rows of each table."""


def collection_doc(name: str) -> str:
    """What `customer` or a collection is, in a sentence."""
    return COLLECTIONS[name].doc if name in COLLECTIONS else "The person, as a context."


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields that exist: the built-in ones and the declared attributes of customers."""

    attributes: tuple[Field, ...] = ()

    @property
    def customer(self) -> tuple[Field, ...]:
        """All fields of a customer."""
        return CUSTOMER + self.attributes

    def fields(self, collection: str) -> tuple[Field, ...]:
        """The fields of `customer` or of one element of a collection."""
        if collection == "customer":
            return self.customer
        return TABLES[COLLECTIONS[collection].table]

    def names(self) -> Mapping[str, Type]:
        """The names that a rule may use, with their types, for the checker."""
        elements = {name: ListOf(_context(self.fields(name))) for name in COLLECTIONS}
        return {"customer": _context(self.customer), **elements}

    def words(self) -> frozenset[str]:
        """Every name in the schema, for the parser."""
        fields = {field.name for name in ("customer", *COLLECTIONS) for field in self.fields(name)}
        return frozenset({"customer", *COLLECTIONS, *fields})


def _context(fields: Sequence[Field]) -> ContextOf:
    return ContextOf({field.name: field.feel_type for field in fields})


class _Attribute(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    type: Kind
    doc: str
    nullable: bool = True
    unit: str = ""
    decimals: int = 0
    personal: bool = False


class _Attributes(msgspec.Struct, forbid_unknown_fields=True):
    attributes: list[_Attribute]


_NAME: Final = re.compile(r"[a-z][a-z0-9]*( [a-z0-9]+)*")


def read_attributes(path: Path) -> Schema:
    """The schema with the customer attributes that a YAML file declares.

    Raises:
        UserError: The file cannot be read, or an attribute's name is taken or not a name.
    """
    declared = read_yaml(path, _Attributes).value.attributes
    taken = {field.name for field in CUSTOMER}
    for attribute in declared:
        problem = ""
        if attribute.name in taken:
            problem = "is defined already"
        elif attribute.name in BUILTINS:
            problem = "is the name of a built-in function"
        elif not _NAME.fullmatch(attribute.name):
            problem = "is not a name: small letters and digits, words with one space between"
        if problem:
            message = f"{path}: the attribute {attribute.name!r} {problem}"
            raise UserError("schema.attribute", message, "choose another name")
        taken.add(attribute.name)
    return Schema(
        tuple(
            Field(a.name, a.type, a.doc, a.nullable, a.unit, a.decimals, personal=a.personal)
            for a in declared
        )
    )
