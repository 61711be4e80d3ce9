"""Definitions: rules as their authors write them, in a form or in FEEL, and their translation.

The form is for people who do not write FEEL: its rows measure something about a customer and
compare it. The same struct is a rule file in YAML and a document in the database.

One module because each part of the form stands beside its translation.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from tuppence.errors import UserError
from tuppence.facts.schema import FieldType, Schema
from tuppence.feel import FeelSyntaxError
from tuppence.feel.formatting import format_text
from tuppence.feel.library import BUILTINS
from tuppence.plain_text import whole_text
from tuppence.rules.rule import (
    Approval,
    Communication,
    DateText,
    Days,
    Example,
    FeedSettings,
    Feel,
    Identifier,
    InsightKind,
    Message,
    Offer,
    Rule,
    Text,
    check_period,
)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


Number = Annotated[
    str, Meta(pattern=whole_text(r"-?[0-9]+(\.[0-9]+)?"), description="Such as 12.50.")
]
Texts = str | list[str]
Window = Annotated[int, Meta(ge=1, le=3660)]
STREAMS: Final = frozenset({"bills", "subscriptions", "incomes"})
"""Collections of streams."""
MAX_DEPTH: Final = 8
"""Maximum nesting depth of groups."""


class Where(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True, rename=_spaced
):
    """Conditions on the rows of a measure; all must hold, and a list allows any of its elements.

    Attributes:
        category: Category of the transaction.
        not_category: Category that the transaction must not have.
        merchant: Merchant of the transaction.
        type: Type of the transaction or the account.
        not_type: Type that the transaction or the account must not have.
        account_type: Type of the transaction's account.
        country: Country of the transaction.
        text: Text that the bank's description contains, in upper or lower case.
        over: The amount is more than this.
        under: The amount is less than this.
        own_transfer: Whether the transaction is between the customer's own accounts.
        state: State of the bill, subscription or income.
        cadence: Cadence of the bill, subscription or income.
    """

    category: Texts | None = None
    not_category: Texts | None = None
    merchant: Texts | None = None
    type: Texts | None = None
    not_type: Texts | None = None
    account_type: Texts | None = None
    country: Texts | None = None
    text: str | None = None
    over: Number | None = None
    under: Number | None = None
    own_transfer: bool | None = None
    state: Texts | None = None
    cadence: Texts | None = None


class Measure(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True, rename=_spaced
):
    """A number computed from a customer's facts, or a field of the customer.

    Attributes:
        measure: The number to compute. `change` is the percentage rise over the preceding period of
            equal length.
        of: The rows to measure; measures of accounts are about their balances, those of bills,
            subscriptions and incomes about their amounts per month.
        where: Conditions on the rows.
        days: Length of the period in days; all history if omitted.
        until_days_ago: Number of days since the end of the period; 0 is today.
        field: Field of the customer, if the measure is `customer`.
        times: Factor that the number is multiplied by.
    """

    measure: Literal[
        "how many", "how much", "average", "biggest", "smallest", "latest", "days since",
        "merchants", "change", "customer",
    ]  # fmt: skip
    of: Literal[
        "payments", "receipts", "transactions", "accounts", "bills", "subscriptions", "incomes"
    ] = "payments"
    where: Where = Where()
    days: Window | None = None
    until_days_ago: Days = 0
    field: str = ""
    times: Number = "1"

    def __post_init__(self) -> None:
        if (self.measure == "customer") != bool(self.field):
            raise ValueError("field is needed with the measure customer, and only there")
        if self.measure == "change" and self.days is None:
            raise ValueError("the measure change needs days")
        is_today = self.of == "accounts" or self.of in STREAMS
        if is_today and (self.days or self.until_days_ago):
            raise ValueError(f"{self.of} are measured as they are today: leave out days")
        if is_today and self.measure in {
            "days since",
            "merchants",
            "change",
            "latest",
        }:
            raise ValueError(f"there is no {self.measure} of {self.of}")


class Criteria(
    msgspec.Struct,
    forbid_unknown_fields=True,
    frozen=True,
    omit_defaults=True,
    rename={"is_": "is"},
):
    """A row that compares a measure, or a group of rows.

    Attributes:
        all: Rows that must all hold.
        any: Rows of which at least one must hold.
        none: Rows of which none may hold.
        what: The measure to compare.
        is_: The comparison.
        value: The value compared with: a number, texts for a field of the customer, or another
            measure.
    """

    all: "list[Criteria] | None" = None
    any: "list[Criteria] | None" = None
    none: "list[Criteria] | None" = None
    what: Measure | None = None
    is_: Literal["at least", "at most", "more than", "less than", "exactly", "not"] | None = None
    value: Texts | Measure | None = None

    def __post_init__(self) -> None:
        groups = [group for group in (self.all, self.any, self.none) if group is not None]
        row = (self.what, self.is_, self.value)
        if len(groups) + any(part is not None for part in row) != 1:
            raise ValueError("a row is one of: all, any, none, or what with is and value")
        if groups and not groups[0]:
            raise ValueError("a group needs a row")
        if not groups and any(part is None for part in row):
            raise ValueError("a row needs what, is and value")


class Term(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A term of a score.

    Attributes:
        what: The measure.
        weight: Factor that the measure is multiplied by.
        least: Lower limit of the product.
        most: Upper limit of the product.
    """

    what: Measure
    weight: Number = "1"
    least: Number | None = None
    most: Number | None = None


class Score(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The sum of terms as a score.

    Attributes:
        start: Number that the terms are added to.
        terms: Terms of the sum.
        least: Lower limit of the score.
        most: Upper limit of the score.
    """

    start: Number = "0"
    terms: list[Term] = []
    least: Number = "0"
    most: Number = "100"


class Definition(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """One insight as its author writes it.

    Attributes:
        id: Identifier, unique in a ruleset.
        kind: The kind of message, as customers see it.
        title: Title for those who maintain the rules.
        when: Condition under which the insight is shown: rows of the form, or FEEL.
        score: Relevance, 0 to 100: the form, or FEEL.
        message: The text that customers read.
        values: Values for the message, by name: measures, or FEEL.
        description: The purpose of the rule, and what to be careful about.
        communication: The legal class of the message, which decides who must approve it;
            information if omitted, and compulsory for an offer.
        approval: Approval of a financial promotion, which is required for one.
        offer: The partner and the terms of an offer or a reward.
        topic: Topic of the insight; only the highest-scoring insight of a topic is shown.
        valid_from: First day on which anybody qualifies; no limit if omitted.
        valid_until: Last day on which anybody qualifies; no limit if omitted.
        expires_after_days: Number of days that the insight is shown, from the day it qualified.
        cooldown_days: Number of days that the insight is hidden afterwards.
        minimum_history_days: Required days of transactions; with fewer, the result is unknown.
        tests: Test customers.
        feed: The place of the insight in feeds.
    """

    id: Identifier
    kind: InsightKind
    title: Text
    when: Feel | Criteria
    score: Feel | Score
    message: Message
    values: dict[Identifier, Feel | Measure] = {}
    description: str = ""
    communication: Communication | None = None
    approval: Approval | None = None
    offer: Offer | None = None
    topic: Identifier | None = None
    valid_from: DateText | None = None
    valid_until: DateText | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=3660)] = 14
    cooldown_days: Days = 0
    minimum_history_days: Days = 0
    tests: list[Example] = []
    feed: FeedSettings | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        check_period(self.valid_from, self.valid_until, "valid_from", "valid_until")
        if self.kind == "offer" and self.communication is None:
            known = ", ".join(get_args(Communication))
            raise ValueError(f"an offer must say its communication, one of: {known}")


def rule_of(definition: Definition, schema: Schema) -> Rule:
    """Translate a definition to a rule, all of it in FEEL.

    The same definition always gives the same text.
    """
    kinds = {field.name: field.kind for field in schema.customer}
    words = schema.words()
    when, score = definition.when, definition.score
    return Rule(
        id=definition.id,
        kind=definition.kind,
        title=definition.title,
        when=when if isinstance(when, str) else _formatted(_criteria(when, kinds, 0), words),
        score=score if isinstance(score, str) else _formatted(_score(score), words),
        message=definition.message,
        values={
            name: value if isinstance(value, str) else _formatted(_measure(value), words)
            for name, value in definition.values.items()
        },
        description=definition.description,
        communication=definition.communication or "information",
        approval=definition.approval,
        offer=definition.offer,
        topic=definition.topic,
        valid_from=definition.valid_from,
        valid_until=definition.valid_until,
        expires_after_days=definition.expires_after_days,
        cooldown_days=definition.cooldown_days,
        minimum_history_days=definition.minimum_history_days,
        tests=definition.tests,
        feed=definition.feed,
    )


def _formatted(text: str, words: frozenset[str]) -> str:
    try:
        return format_text(text, words | BUILTINS.keys() | FORM_FUNCTIONS)
    except FeelSyntaxError:  # an unknown name: the check reports it with its place
        return text


def feel_of_form(part: Criteria | Measure, schema: Schema) -> str:
    """Return the FEEL that rows or a measure of the form become."""
    kinds = {field.name: field.kind for field in schema.customer}
    text = _measure(part) if isinstance(part, Measure) else _criteria(part, kinds, 0)
    return _formatted(text, schema.words())


FORM_FUNCTIONS: Final = frozenset({"total", "average", "clamp", "percentage"})
_SIGNS: Final[Mapping[str | None, str]] = {
    "at least": ">=",
    "at most": "<=",
    "more than": ">",
    "less than": "<",
    "exactly": "=",
    "not": "!=",
}


def _criteria(row: Criteria, kinds: Mapping[str, FieldType], depth: int) -> str:
    if depth > MAX_DEPTH:
        raise UserError("file.shape", f"when: groups are nested deeper than {MAX_DEPTH}")
    for group, word in ((row.all, " and "), (row.any, " or "), (row.none, " or ")):
        if group is not None:
            parts = [_criteria(inner, kinds, depth + 1) for inner in group]
            text = word.join(parts)
            if group is row.none:
                return f"not({text})"
            return f"({text})" if depth and len(parts) > 1 else text
    assert row.what is not None  # noqa: S101 - a row is a group or has these
    left, sign = _measure(row.what), _SIGNS[row.is_]
    if isinstance(row.value, Measure):
        return f"{left} {sign} {_measure(row.value)}"
    texts = row.what.measure == "customer" and kinds.get(row.what.field) is FieldType.TEXT
    values = row.value if isinstance(row.value, list) else [str(row.value)]
    literals = [_text(value) if texts else _number(value) for value in values]
    if isinstance(row.value, list):
        among = f"{left} in ({', '.join(literals)})"
        return f"not({among})" if sign == "!=" else among
    return f"{left} {sign} {literals[0]}"


def _measure(measure: Measure) -> str:
    rows = _rows(measure, measure.until_days_ago)
    field = "balance" if measure.of == "accounts" else "amount"
    if measure.of in STREAMS:
        field = "monthly amount"
    match measure.measure:
        case "how many":
            text = f"count({rows})"
        case "how much":
            text = f"total({rows}.{field})"
        case "average":
            text = f"average({rows}.{field})"
        case "biggest":
            text = f"max({rows}.{field})"
        case "smallest":
            text = f"min({rows}.{field})"
        case "latest":
            text = f"{rows}[-1].amount"
        case "days since":
            text = f"(today() - {rows}[-1].booking date).days"
        case "merchants":
            text = f"count(distinct values({rows}.merchant))"
        case "change":
            before = _rows(measure, measure.until_days_ago + (measure.days or 0))
            now, then = f"total({rows}.{field})", f"total({before}.{field})"
            text = f"percentage({now} - {then}, {then})"
        case "customer":
            text = f"customer.{measure.field}"
    return text if measure.times == "1" else f"{_number(measure.times)} * {text}"


def _rows(measure: Measure, until: int) -> str:
    conditions = list(_conditions(measure))
    if measure.days is not None:
        conditions.append(f'booking date > today() - @"P{measure.days + until}D"')
    if until:
        conditions.append(f'booking date <= today() - @"P{until}D"')
    return f"{measure.of}[{' and '.join(conditions)}]" if conditions else measure.of


def _conditions(measure: Measure) -> Iterator[str]:
    where = measure.where
    for name in ("category", "merchant", "type", "account type", "country", "state", "cadence"):
        wanted = getattr(where, name.replace(" ", "_"))
        if wanted is not None:
            yield _among(name, wanted)
    for name in ("category", "type"):
        unwanted = getattr(where, f"not_{name}")
        if unwanted is not None:
            texts = [unwanted] if isinstance(unwanted, str) else unwanted
            yield from (f"{name} != {_text(text)}" for text in texts)
    if where.text is not None:
        yield f"contains(lower case(text), {_text(where.text.lower())})"
    if where.over is not None:
        yield f"amount > {_number(where.over)}"
    if where.under is not None:
        yield f"amount < {_number(where.under)}"
    if where.own_transfer is not None:
        yield "own transfer" if where.own_transfer else "not(own transfer)"
    if measure.of == "accounts" and measure.measure != "how many":
        yield "balance != null"


def _among(name: str, wanted: Texts) -> str:
    if isinstance(wanted, str):
        return f"{name} = {_text(wanted)}"
    return f"{name} in ({', '.join(map(_text, wanted))})"


def _score(score: Score) -> str:
    parts = [_number(score.start)] if Decimal(score.start) or not score.terms else []
    for term in score.terms:
        weight = "" if term.weight == "1" else f"{_number(term.weight)} * "
        text = f"{weight}{_measure(term.what)}"
        if term.least is not None:
            text = f"max({text}, {_number(term.least)})"
        if term.most is not None:
            text = f"min({text}, {_number(term.most)})"
        parts.append(text)
    return f"clamp({' + '.join(parts)}, {_number(score.least)}, {_number(score.most)})"


def _number(text: str) -> str:
    try:
        return f"{Decimal(text):f}"
    except InvalidOperation:
        return _text(text)  # not a number: the check reports it with its place


_ESCAPED: Final = re.compile(r'["\\]')


def _text(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: "\\" + found[0], text) + '"'


def document_of(definition: Definition) -> dict[str, Any]:
    """Return a definition as plain values, in the shape of a rule file, without defaults."""
    document: dict[str, Any] = msgspec.to_builtins(definition)
    return document


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule file, for editors."""
    return loose_schema(Definition)


def loose_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a YAML file.

    In such a file a text may be written as a number, and a number as a text in quotes.
    """
    schema = _loose(msgspec.json.schema(kind))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _loose(schema: Any) -> Any:
    """Return a schema that takes scalars in the notations that rule files take."""
    if isinstance(schema, list):
        return [_loose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {name: _loose(value) for name, value in schema.items()}
    if schema.get("type") == "string":
        loose["type"] = ["string", "number"]
    elif schema.get("type") == "integer":
        loose |= {"type": ["integer", "string"], "pattern": "^[0-9]+$"}
    return loose
