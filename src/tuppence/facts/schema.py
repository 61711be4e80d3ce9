"""The closed, typed schema of the facts that rules may read.

One module because it is a list: whoever looks for a field finds all of them here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tuppence.feel.types import BOOLEAN, DATE, NUMBER, STRING, ContextOf, ListOf, Type, nullable


class FieldType(Enum):
    """The type of a field, which determines how it is stored and which type rules see."""

    MONEY = "money"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    BOOLEAN = "boolean"

    @property
    def feel_type(self) -> Type:
        """The FEEL type; money is a number in the main unit of the customer's currency."""
        types = {FieldType.DATE: DATE, FieldType.TEXT: STRING, FieldType.BOOLEAN: BOOLEAN}
        return types.get(self, NUMBER)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a customer, an account, a transaction or a stream.

    Attributes:
        name: The name, as rules write it.
        kind: The type.
        doc: Description of the meaning.
        nullable: Whether it can be null.
        unit: Unit of a number, or empty.
        decimals: Number of digits that a NUMBER keeps after the decimal point.
        derived: Whether it is computed from other facts as of the date, never imported.
        personal: Whether it names or identifies a person.
    """

    name: str
    kind: FieldType
    doc: str
    nullable: bool = True
    unit: str = ""
    decimals: int = 0
    derived: bool = False
    personal: bool = False

    @property
    def feel_type(self) -> Type:
        """The FEEL type, nullable if the field is."""
        return nullable(self.kind.feel_type) if self.nullable else self.kind.feel_type


MONEY_UNIT: Final = "main unit of the customer's currency"

CUSTOMER: Final = (
    Field(
        "currency",
        FieldType.TEXT,
        "ISO 4217 code of the currency of all the customer's money.",
        False,
    ),
    Field("country", FieldType.TEXT, "Country where the customer lives, ISO 3166 alpha-2."),
    Field("region", FieldType.TEXT, "Part of the country."),
    Field("birth year", FieldType.NUMBER, "Year of birth.", unit="year", personal=True),
    Field("home", FieldType.TEXT, "Housing of the customer: own, mortgage, rent or family."),
    Field("household size", FieldType.NUMBER, "People in the household.", unit="people"),
    Field("since", FieldType.DATE, "Day the customer joined."),
    Field(
        "history days",
        FieldType.NUMBER,
        "Days from the first known transaction to the date of evaluation; 0 without any.",
        False,
        unit="days",
        derived=True,
    ),
    Field(
        "unusual category",
        FieldType.TEXT,
        "Category with far more purchases in the last 30 days than usual; null for none.",
        derived=True,
    ),
    Field(
        "unusual spending",
        FieldType.MONEY,
        "Purchases of `unusual category` in the last 30 days, without what was refunded.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "usual spending",
        FieldType.MONEY,
        "Median of such purchases in the twelve periods of 30 days before.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "census day",
        FieldType.DATE,
        "First day of the month of which figures about everybody are known; null if none are.",
        derived=True,
    ),
    Field(
        "above peers",
        FieldType.BOOLEAN,
        "Whether the customer spends far more on a category than people like them; null if it is "
        "not known what those spend.",
        derived=True,
    ),
    Field(
        "peer category",
        FieldType.TEXT,
        "The category of which `above peers` is true, that with the largest difference.",
        derived=True,
    ),
    Field(
        "own spending",
        FieldType.MONEY,
        "Purchases of `peer category` in the last 90 days, per month.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "peer spending",
        FieldType.MONEY,
        "Half of the people like the customer spend less than this on it in a month.",
        unit=MONEY_UNIT,
        derived=True,
    ),
)
UNUSUAL: Final = frozenset({"unusual category", "unusual spending", "usual spending"})
"""Fields of customers about the category whose spending is most unusual."""
AMONG_PEERS: Final = frozenset(
    {"census day", "above peers", "peer category", "own spending", "peer spending"}
)
"""Fields of customers that depend on a census."""

ACCOUNTS: Final = (
    Field("id", FieldType.TEXT, "The account's identifier.", False, personal=True),
    Field("type", FieldType.TEXT, "current, savings, credit card or loan.", False),
    Field("name", FieldType.TEXT, "The customer's or the bank's name for it.", personal=True),
    Field("opened", FieldType.DATE, "Day it was opened."),
    Field("credit limit", FieldType.MONEY, "Arranged overdraft or card limit.", unit=MONEY_UNIT),
    Field(
        "balance",
        FieldType.MONEY,
        "Balance after the last transaction whose balance is known.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "pay day",
        FieldType.DATE,
        "Day when the customer's largest income is due next.",
        derived=True,
    ),
    Field(
        "forecast",
        FieldType.MONEY,
        "Expected balance before the pay day; null if too little is known.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "forecast low",
        FieldType.MONEY,
        "With a probability of four in five, the balance will be from this to `forecast high`.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field("forecast high", FieldType.MONEY, "See `forecast low`.", unit=MONEY_UNIT, derived=True),
    Field(
        "shortfall chance",
        FieldType.NUMBER,
        "Chance that the balance is below zero before the pay day, 0 to 1.",
        unit="share",
        decimals=2,
        derived=True,
    ),
)

FORECASTS: Final = frozenset(
    {"pay day", "forecast", "forecast low", "forecast high", "shortfall chance"}
)
"""Fields of accounts that concern the future."""

TRANSACTIONS: Final = (
    Field("booking date", FieldType.DATE, "Day of booking, up to the date of evaluation.", False),
    Field(
        "amount", FieldType.MONEY, "Signed amount; negative is money out.", False, unit=MONEY_UNIT
    ),
    Field("category", FieldType.TEXT, "Category, such as groceries or energy."),
    Field(
        "category confidence",
        FieldType.NUMBER,
        "Confidence in the category, 0 to 1.",
        unit="share",
        decimals=2,
    ),
    Field("merchant", FieldType.TEXT, "Normalised name of the merchant."),
    Field(
        "merchant confidence",
        FieldType.NUMBER,
        "Confidence in the merchant, 0 to 1.",
        unit="share",
        decimals=2,
    ),
    Field("type", FieldType.TEXT, "Way of payment: card, direct debit, standing order, cash, …"),
    Field("text", FieldType.TEXT, "The bank's description.", personal=True),
    Field("country", FieldType.TEXT, "Country of the payment, ISO 3166 alpha-2."),
    Field(
        "foreign currency",
        FieldType.TEXT,
        "ISO 4217 code of the currency it was paid in, if not the customer's.",
    ),
    Field(
        "refunded",
        FieldType.MONEY,
        "Refunded amount of this payment; null for none.",
        unit=MONEY_UNIT,
    ),
    Field(
        "own transfer",
        FieldType.BOOLEAN,
        "Whether it is between the customer's own accounts.",
        False,
    ),
    Field("account", FieldType.TEXT, "Identifier of its account.", False, personal=True),
    Field("account type", FieldType.TEXT, "Type of its account.", False, derived=True),
    Field("balance", FieldType.MONEY, "Balance of its account after it.", unit=MONEY_UNIT),
    Field(
        "repeated",
        FieldType.BOOLEAN,
        "Whether an earlier one of that day or the two before has equal amount, merchant, account.",
        False,
        derived=True,
    ),
    Field(
        "unusual",
        FieldType.BOOLEAN,
        "Whether it stands out from at least twelve earlier payments at its merchant.",
        derived=True,
    ),
    Field(
        "largest before",
        FieldType.MONEY,
        "Size of the largest earlier payment at its merchant; null with fewer than twelve.",
        unit=MONEY_UNIT,
        derived=True,
    ),
    Field(
        "after trial",
        FieldType.BOOLEAN,
        "Whether it is the first full price of a subscription, after a payment for a trial.",
        False,
        derived=True,
    ),
)
AT_MERCHANTS: Final = frozenset({"unusual", "largest before", "after trial"})
"""Fields of transactions that compare them with others at their merchant."""

REPEATED_WITHIN: Final = 2
"""Maximum number of days between two transactions of which the later is `repeated`."""

STREAMS: Final = (
    Field("kind", FieldType.TEXT, "bill, subscription or income.", False, derived=True),
    Field(
        "payee",
        FieldType.TEXT,
        "Merchant, or the text without numbers.",
        False,
        derived=True,
        personal=True,
    ),
    Field("category", FieldType.TEXT, "Category of its last payment.", derived=True),
    Field(
        "cadence",
        FieldType.TEXT,
        "weekly, fortnightly, four-weekly, monthly, …",
        False,
        derived=True,
    ),
    Field("state", FieldType.TEXT, "early, mature or stopped.", False, derived=True),
    Field("times", FieldType.NUMBER, "Number of payments.", False, "payments", derived=True),
    Field(
        "amount",
        FieldType.MONEY,
        "Amount of its last payment, positive.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field(
        "previous amount",
        FieldType.MONEY,
        "Amount of the payment before.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field(
        "change",
        FieldType.MONEY,
        "The last amount less the one before, 0 if they are equal.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field(
        "typical amount", FieldType.MONEY, "Median of all amounts.", False, MONEY_UNIT, derived=True
    ),
    Field(
        "monthly amount",
        FieldType.MONEY,
        "The last amount per month.",
        False,
        MONEY_UNIT,
        derived=True,
    ),
    Field("first date", FieldType.DATE, "Day of its first payment.", False, derived=True),
    Field("last date", FieldType.DATE, "Day of its last payment.", False, derived=True),
    Field(
        "next date", FieldType.DATE, "Day when the next payment is or was due.", False, derived=True
    ),
    Field(
        "window days",
        FieldType.NUMBER,
        "Days by which the next date may be off.",
        False,
        "days",
        derived=True,
    ),
    Field(
        "confidence",
        FieldType.NUMBER,
        "Confidence in the stream, 0 to 1.",
        False,
        "share",
        3,
        derived=True,
    ),
    Field(
        "account", FieldType.TEXT, "Identifier of its account.", False, derived=True, personal=True
    ),
    Field(
        "duplicate",
        FieldType.BOOLEAN,
        "Whether one before it has equal kind, payee, cadence and amount, and neither has stopped.",
        False,
        derived=True,
    ),
    Field(
        "rise of many",
        FieldType.NUMBER,
        "If its payee raised prices for many last month: half of them pay at most this share more; "
        "null otherwise.",
        unit="share",
        decimals=4,
        derived=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A list of rows that rules may read.

    Attributes:
        doc: Description of its rows.
        table: Table that the rows belong to.
        direction: `out` for money out only, with positive amounts, `in` for money in only; neither
            includes own transfers. Empty for both directions.
        kind: Kind of the streams in it, or empty.
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
        "Money out, oldest first, with positive amounts, without own transfers.",
        "transactions",
        "out",
    ),
    "receipts": Collection("Money in, oldest first, without own transfers.", "transactions", "in"),
    "accounts": Collection("The customer's accounts.", "accounts"),
    "bills": Collection(
        "Recurring payments by direct debit, standing order or transfer.",
        "streams",
        kind="bill",
    ),
    "subscriptions": Collection("Recurring payments by card.", "streams", kind="subscription"),
    "incomes": Collection("Recurring receipts, such as pay.", "streams", kind="income"),
}
TABLES: Final[Mapping[str, tuple[Field, ...]]] = {
    "accounts": ACCOUNTS,
    "transactions": TRANSACTIONS,
    "streams": STREAMS,
}
"""The fields of the rows of each table."""


def collection_doc(name: str) -> str:
    """Describe `customer` or a collection in a sentence."""
    return COLLECTIONS[name].doc if name in COLLECTIONS else "The customer, as a context."


@dataclass(frozen=True, slots=True)
class Schema:
    """All fields of facts: the built-in ones and the declared attributes of customers."""

    attributes: tuple[Field, ...] = ()

    @property
    def customer(self) -> tuple[Field, ...]:
        """All fields of a customer."""
        return CUSTOMER + self.attributes

    def fields(self, collection: str) -> tuple[Field, ...]:
        """Return the fields of `customer` or of an element of a collection."""
        if collection == "customer":
            return self.customer
        return TABLES[COLLECTIONS[collection].table]

    def names(self) -> Mapping[str, Type]:
        """Return the names that a rule may use, with their types, for the checker."""
        elements = {name: ListOf(_context(self.fields(name))) for name in COLLECTIONS}
        return {"customer": _context(self.customer), **elements}

    def words(self) -> frozenset[str]:
        """Return every name in the schema, for the parser."""
        fields = {field.name for name in ("customer", *COLLECTIONS) for field in self.fields(name)}
        return frozenset({"customer", *COLLECTIONS, *fields})


def _context(fields: Sequence[Field]) -> ContextOf:
    return ContextOf({field.name: field.feel_type for field in fields})
