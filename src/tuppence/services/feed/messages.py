"""The bodies of the feed's requests and answers."""

import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tuppence.feed.choice import Outcome
from tuppence.feed.items import EventKind
from tuppence.plain_text import whole_text
from tuppence.rules.rule import Action, Approval, Communication, Identifier, InsightKind, Offer

MAX_EVENTS: Final = 500
"""Maximum number of events of a batch."""
MAX_RECEIPTS: Final = 50
"""Maximum number of receipts of a batch."""
Moment = Annotated[datetime.datetime, Meta(tz=True)]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
ItemText = Annotated[
    str,
    Meta(
        max_length=80,
        pattern=whole_text(r"[a-z][a-z0-9_]{0,63}\.[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        description="A rule and the first day of the turn, such as bank_fees.2026-06-30.",
    ),
]
EventId = Annotated[str, Meta(pattern=whole_text("[A-Za-z0-9][A-Za-z0-9._:-]{7,63}"))]
ViewId = Annotated[str, Meta(pattern=whole_text("[0-9a-f]{32}"))]
Receipt = Annotated[str, Meta(min_length=1, max_length=60_000)]


class ViewAnswer(msgspec.Struct, frozen=True):
    """A view: a record of what was sent, which comes back with events.

    Attributes:
        id: Identifier of the view.
        receipt: A signed record of the view.
    """

    id: ViewId
    receipt: str


class ItemAnswer(msgspec.Struct, frozen=True):
    """An insight of a feed.

    Attributes:
        id: Identity of the item.
        kind: Kind of the insight.
        topic: Its topic, if it has one.
        urgent: Whether it comes before everything else.
        title: A short title.
        text: One or two sentences.
        values: The values in the text.
        communication: The legal class of the message.
        offer: The partner and the terms of an offer or a reward.
        approval: The approval of a financial promotion.
        action: The step that it proposes.
        since: First day of the turn.
        expires: First day on which it is not shown any more. The feed of a store stands for the day
            of its last run, so there it goes with the first run of that day or a later one.
        as_of: The day of the facts that it was computed from, or in a database an earlier one, from
            which on the customer's results were the same.
        explanation: Path of its explanation.
    """

    id: ItemText
    kind: InsightKind
    topic: Identifier | None
    urgent: bool
    title: str
    text: str
    values: dict[str, Any]
    communication: Communication
    offer: Offer | None
    approval: Approval | None
    action: Action | None
    since: Day
    expires: Day
    as_of: Day
    explanation: str


class FeedAnswer(msgspec.Struct, frozen=True):
    """A page of a feed.

    Attributes:
        as_of: The day that the feed stands for: that of the last run for a store, today for a
            database.
        frozen: The reason why there is nothing to show, if consents do not allow it; or empty.
        count: Number of items of the whole feed.
        items: The items of this page.
        next: Cursor of the next page; null on the last one.
        view: The record of this view, to be sent back with events.
    """

    as_of: Day
    frozen: str
    count: int
    items: tuple[ItemAnswer, ...]
    next: str | None
    view: ViewAnswer


class CountAnswer(msgspec.Struct, frozen=True):
    """The number of items of a feed.

    Attributes:
        count: Number of items.
        unseen: Number of those that the person has not seen yet.
    """

    count: int
    unseen: int


class HiddenItem(msgspec.Struct, frozen=True):
    """An insight that applies, and is not shown.

    Attributes:
        id: Identity of the item.
        kind: Kind of the insight.
        topic: Its topic, if it has one.
        reason: The reason.
        until: The end of a snooze.
        answered: The item whose answer hides it, which can be undone; perhaps of an earlier turn.
    """

    id: ItemText
    kind: InsightKind
    topic: Identifier | None
    reason: Outcome
    until: Moment | None = None
    answered: ItemText | None = None


class HiddenAnswer(msgspec.Struct, frozen=True):
    """The insights that apply, and are not shown.

    Attributes:
        items: The insights, in the order in which they would be shown.
    """

    items: tuple[HiddenItem, ...]


class EventIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event.

    Attributes:
        id: Identifier that the device gave it, such as a UUID.
        kind: Kind of the event.
        item: The item.
        view: Identifier of the view that the person saw.
        at: Time of the event.
        until: The end of a snooze.
    """

    id: EventId
    kind: EventKind
    item: ItemText
    view: ViewId
    at: Moment
    until: Moment | None = None


class EventsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events.

    Attributes:
        events: The events.
        receipts: Receipts of their views; those of views that were sent before may be left out.
        sent_at: The time of this sending by the clock of the device, which may be wrong: set it
            anew each time a batch is sent.
    """

    events: Annotated[list[EventIn], Meta(min_length=1, max_length=MAX_EVENTS)]
    receipts: Annotated[list[Receipt], Meta(max_length=MAX_RECEIPTS)] = []
    sent_at: Moment | None = None


class StateIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to an item.

    Attributes:
        state: The answer.
        receipt: The receipt of the view that the person saw.
        until: The end of a snooze.
    """

    state: Literal["acted", "acknowledged", "snoozed", "not_helpful"]
    receipt: Receipt
    until: Moment | None = None


class OrderAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The reason for an item's place among those of its tier.

    Attributes:
        by: `model` if a model orders the feed; otherwise rules do, because there is no model
            (`rules`), the customer chose so (`choice`), or the customer's feed is one that learned
            feeds are compared with (`hold_out`).
        points: The points that order it, before chance adds to them.
        parts: The summands of the points, without zeros.
        chance: Chance of being shown.
        model: Digest of the model.
    """

    by: str
    points: int | None = None
    parts: dict[str, int] | None = None
    chance: float | None = None
    model: str | None = None


class WithdrawalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision to withdraw a rule from all feeds, or to restore it.

    Attributes:
        rule: The rule.
        reason: Reason of the decision.
        withdrawn: False to restore it.
    """

    rule: Identifier
    reason: Annotated[
        str, Meta(min_length=1, max_length=500, pattern=whole_text(r"[^\x00-\x1f\x7f-\x9f]*"))
    ]
    withdrawn: bool = True


class WithdrawalOut(msgspec.Struct, frozen=True):
    """A withdrawal or a restoration.

    Attributes:
        rule: The rule.
        withdrawn: False for a restoration.
        by: Name of the operator.
        reason: Reason of the decision.
        at: Time of the decision.
    """

    rule: Identifier
    withdrawn: bool
    by: str
    reason: str
    at: Moment


class WithdrawalsAnswer(msgspec.Struct, frozen=True):
    """All withdrawals and restorations.

    Attributes:
        withdrawals: They, the oldest first.
    """

    withdrawals: tuple[WithdrawalOut, ...]
