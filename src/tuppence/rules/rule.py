"""Rules, whose expressions are all in FEEL."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tuppence.feel.values import Date, parse_date
from tuppence.plain_text import whole_text

Identifier = Annotated[str, Meta(pattern=whole_text("[a-z][a-z0-9_]{0,63}"))]
Days = Annotated[int, Meta(ge=0, le=3660)]
Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
InsightKind = Literal["insight", "saving", "offer", "reward", "tip", "guidance"]
Communication = Literal["service", "information", "guidance", "financial promotion"]
DateText = Annotated[
    str, Meta(pattern=whole_text(r"\d{4}-\d{2}-\d{2}"), description="Such as 2026-06-30.")
]
Feel = Annotated[str, Meta(min_length=1, description="A FEEL expression.")]

Change = Annotated[
    str,
    Meta(
        pattern=whole_text(r"any|[0-9]{1,4}(\.[0-9]{1,2})?"),
        description="A percentage such as 10, or any.",
    ),
]
"""The change of a value that matters: a percentage by which it rises or falls, or `any`."""


def check_period(first: str | None, last: str | None, *names: str) -> None:
    """Check that two texts are days of the calendar, the first not after the last.

    Raises:
        ValueError: One is not a day, or they are in the wrong order.
    """
    for text, name in zip((first, last), names, strict=True):
        if text is not None and parse_date(text) is None:
            raise ValueError(f"{name}: there is no day {text}")
    if first is not None and last is not None and last < first:
        raise ValueError(f"{names[1]} {last} is before {names[0]} {first}")


class Wording(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A wording of a message: Jinja templates over the rule's values.

    Attributes:
        title: A short title.
        body: One or two sentences.
    """

    title: Text
    body: Text


class Message(Wording, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The text that customers read, with variants that avoid repetition.

    Attributes:
        title: A short title.
        body: One or two sentences.
        variants: Other wordings, shown in turn.
    """

    variants: list[Wording] = []

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Return all wordings: the message itself, then its variants."""
        return self, *self.variants

    def texts(self) -> dict[tuple[str | int, ...], str]:
        """Return the templates by their place in the rule."""
        places: list[tuple[str | int, ...]] = [("message",)]
        places += [("message", "variants", number) for number in range(len(self.variants))]
        return {
            (*place, part): text
            for place, wording in zip(places, self.wordings, strict=True)
            for part, text in (("title", wording.title), ("body", wording.body))
        }


class Approval(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The approval of a financial promotion, which by law is kept with the message.

    Attributes:
        by: The authorised firm, or the person there.
        date: Date of the approval, such as 2026-05-01.
        reference: Reference to the firm's record.
        until: Last day on which it holds; no limit if omitted.
    """

    by: Text
    date: DateText
    reference: Text
    until: DateText | None = None

    def __post_init__(self) -> None:
        check_period(self.date, self.until, "date", "until")


class Offer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The partner behind an offer or a reward, and what the customer must know to take it.

    Attributes:
        partner: The business that makes the offer.
        terms: Its conditions, in a sentence or two that customers read below the message.
    """

    partner: Text
    terms: Text


class Cap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A limit on how often something is seen.

    Attributes:
        at_most: Number of days on which it may be seen.
        days: Length of the rolling period in days, of which the present day is the last.
    """

    at_most: Annotated[int, Meta(ge=1, le=1000)]
    days: Annotated[int, Meta(ge=1, le=366)]


class Action(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The step that an insight proposes.

    Attributes:
        label: Text of the button.
        link: An https address, or a path inside the app such as /savings/new.
    """

    label: Annotated[str, Meta(min_length=1, max_length=60)]
    link: Annotated[
        str,
        Meta(
            pattern=whole_text(r"https://[^\s\"'<>]+|/([^/\s\"'<>][^\s\"'<>]*)?"),
            max_length=500,
            description="An https address, or a path inside the app such as /savings/new.",
        ),
    ]


class FeedSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The place of an insight in feeds; what is omitted follows the policy of the feed.

    Attributes:
        tier: Insights of a lower tier come first; those of tier 1 are urgent.
        cap: A limit on how often a customer sees this insight.
        brings_back: Values whose change brings an acknowledged insight back, each with the
            percentage that it must change by, or `any`.
        action: The step that the insight proposes.
        sensitive: Whether what people do with the insight is not learned from: its order follows
            from its score, and it says nothing about what somebody likes.
    """

    tier: Annotated[int, Meta(ge=1, le=8)] | None = None
    cap: Cap | None = None
    brings_back: dict[Identifier, Change] | None = None
    action: Action | None = None
    sensitive: bool = False


class ExampleCensus(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Figures about everybody that a test customer is compared with.

    Attributes:
        usual: Amounts by category: half of the people spend less than this in a month.
        rises: Rises by payee, as shares: half of the people pay at most so much more.
    """

    usual: dict[str, Any] = {}
    rises: dict[str, Any] = {}


class Example(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A test customer: some facts, and the result that the rule must have for them.

    Attributes:
        name: The property that the test customer stands for.
        as_of: Date of evaluation.
        expect: Expected state.
        customer: Fields of the customer; the currency is GBP by default.
        accounts: Fields of each account; one current account by default.
        census: Figures about everybody, which are the same for all groups of people.
        transactions: Fields of each transaction. `days ago` may replace the booking date; `every`
            and `times` repeat the transaction into the past, at an interval in days.
        score: Expected score, if any.
        values: Expected values, in FEEL.
    """

    name: Text
    expect: Literal["qualified", "not_qualified", "unknown"]
    as_of: str = "2026-06-15"
    customer: dict[str, Any] = {}
    accounts: list[dict[str, Any]] = []
    transactions: list[dict[str, Any]] = []
    census: ExampleCensus | None = None
    score: str | None = None
    values: dict[str, str] = {}


_USUAL_SETTINGS: Final = FeedSettings()


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One insight: its condition, its relevance and its message.

    Attributes:
        id: Identifier, unique in a ruleset.
        kind: The kind of message, as customers see it.
        title: Title for those who maintain the rules.
        when: Condition under which the insight is shown, a boolean in FEEL.
        score: The relevance, a number in FEEL, limited to 0 to 100.
        values: FEEL of the values for the message, by name; later ones may use earlier ones.
        message: The text that customers read.
        description: The purpose of the rule, and what to be careful about.
        communication: The legal class of the message, which decides who must approve it.
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
    when: Feel
    score: Feel
    message: Message
    values: dict[Identifier, Feel] = {}
    description: str = ""
    communication: Communication = "information"
    approval: Approval | None = None
    offer: Offer | None = None
    topic: Identifier | None = None
    valid_from: DateText | None = None
    valid_until: DateText | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=3660)] = 14
    cooldown_days: Days = 0
    minimum_history_days: Days = 0
    tests: list[Example] = []
    feed: FeedSettings | msgspec.UnsetType = msgspec.UNSET  # unset is not written: digests stay

    @property
    def feed_settings(self) -> FeedSettings:
        """The place of the insight in feeds, as far as its author has said."""
        return _USUAL_SETTINGS if self.feed is msgspec.UNSET else self.feed

    @property
    def promotes(self) -> bool:
        """True if the message is a financial promotion."""
        return self.communication == "financial promotion"

    def in_force(self, as_of: Date) -> bool:
        """Return whether the rule and its approval are valid on a day."""
        first, last, approval = self.valid_from, self.valid_until, self.approval
        if first is None and last is None and approval is None:  # as of most rules
            return True
        day = str(as_of)
        return _is_within(day, first, last) and (
            approval is None or _is_within(day, approval.date, approval.until)
        )

    def expressions(self) -> dict[tuple[str, ...], str]:
        """Return the FEEL texts by their place in the rule."""
        values: dict[tuple[str, ...], str] = {
            ("values", name): text for name, text in self.values.items()
        }
        return {("when",): self.when, ("score",): self.score} | values


def _is_within(day: str, first: str | None, last: str | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)
