"""A rule, as its file writes it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Identifier = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Days = Annotated[int, Meta(ge=0, le=3660)]
Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
InsightKind = Literal["insight", "saving", "offer", "reward", "tip", "guidance"]
Communication = Literal["service", "information", "guidance", "financial promotion"]
Feel = Annotated[str, Meta(min_length=1, description="A FEEL expression.")]


class Wording(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a customer reads: Jinja templates over the rule's values.

    Attributes:
        title: Short.
        body: One or two sentences.
    """

    title: Text
    body: Text


class Message(Wording, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What the customer reads, and other ways to say it, so that it is not always the same.

    Attributes:
        title: Short.
        body: One or two sentences.
        variants: The other ways; they take turns.
    """

    variants: list[Wording] = []

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """All of them, the first one first."""
        return self, *self.variants

    def texts(self) -> dict[tuple[str | int, ...], str]:
        """The templates by their place in the rule."""
        places: list[tuple[str | int, ...]] = [("message",)]
        places += [("message", "variants", number) for number in range(len(self.variants))]
        return {
            (*place, part): text
            for place, wording in zip(places, self.wordings, strict=True)
            for part, text in (("title", wording.title), ("body", wording.body))
        }


class Approval(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who approved a financial promotion: the law has it kept with what customers were told.

    Attributes:
        by: The authorised firm or the person there.
        date: When, such as 2026-05-01.
        reference: Where the firm's record of it is found.
    """

    by: Text
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    reference: Text


class Example(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A test customer: facts, and what the rule must say of them.

    Attributes:
        name: What makes this customer special.
        as_of: The date of evaluation.
        expect: The state that must come out.
        customer: Fields of the customer; the currency is GBP unless given.
        accounts: Their fields; one current account unless given.
        transactions: Their fields; `days ago` may stand for the booking date, `every` and `times`
            repeat one into the past, each so many days before the other.
        score: The score that must come out, where it is given.
        values: Values that must come out, as FEEL would write them.
    """

    name: Text
    expect: Literal["qualified", "not_qualified", "unknown"]
    as_of: str = "2026-06-15"
    customer: dict[str, Any] = {}
    accounts: list[dict[str, Any]] = []
    transactions: list[dict[str, Any]] = []
    score: str | None = None
    values: dict[str, str] = {}


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One insight: when it holds for a customer, how relevant it is, and what it says.

    Attributes:
        id: Unique in a ruleset.
        kind: What the message is to the customer.
        title: For the people who look after the rules.
        when: FEEL, boolean: whether the insight is shown.
        score: FEEL, number, held to 0 to 100: how relevant it is.
        values: FEEL by name: what the message needs; later ones may use earlier ones.
        message: What the customer reads.
        description: Why it exists and what it is careful about.
        communication: What the message is in law, and so who must approve it.
        approval: Of a financial promotion, which must have one.
        topic: Only the highest-scoring insight of a topic is shown.
        expires_after_days: Days shown, from the day it qualified.
        cooldown_days: Days hidden afterwards.
        minimum_history_days: The rule is unknown for customers with fewer days of transactions.
        tests: Test customers.
    """

    id: Identifier
    kind: InsightKind
    title: Text
    when: Feel
    score: Feel
    message: Message
    values: dict[Identifier, Feel] = {}
    description: str = ""
    communication: Communication = "information"
    approval: Approval | None = None
    topic: Identifier | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=3660)] = 14
    cooldown_days: Days = 0
    minimum_history_days: Days = 0
    tests: list[Example] = []

    def expressions(self) -> dict[tuple[str, ...], str]:
        """The FEEL texts by their place in the rule."""
        values: dict[tuple[str, ...], str] = {
            ("values", name): text for name, text in self.values.items()
        }
        return {("when",): self.when, ("score",): self.score} | values
