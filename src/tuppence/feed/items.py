"""Items of a feed, and what a person did with them.

An item is one turn of an insight. Its state is what its events add up to: they may arrive late,
twice and in any order, and the state is the same.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from tuppence.errors import UserError
from tuppence.feel import evaluate
from tuppence.feel.values import Date, parse_date

DAY: Final = 86_400_000
"""Milliseconds of a day."""


class ItemId(NamedTuple):
    """The identity of an item.

    Attributes:
        rule_id: Identifier of the rule.
        turn: First day of the turn, in days since 1970-01-01.
    """

    rule_id: str
    turn: int

    def __str__(self) -> str:
        return f"{self.rule_id}.{Date(self.turn)}"


def item_id(text: str) -> ItemId:
    """Return the identity that a text such as `bank_fees.2026-06-30` names.

    Raises:
        UserError: `feed.unknown-item`: it names none.
    """
    rule_id, _, day = text.partition(".")
    date = parse_date(day)
    if not rule_id or date is None or str(date) != day:
        hint = "the feed has the identifiers of its items"
        raise UserError("feed.unknown-item", f"{text[:100]!a} is no item of a feed", hint)
    return ItemId(rule_id, date.day)


class EventKind(StrEnum):
    """The kind of an event: something that a person did with an item."""

    SEEN = "seen"
    OPENED = "opened"
    ACTED = "acted"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    NOT_HELPFUL = "not_helpful"
    UNDONE = "undone"


ANSWERS: Final = frozenset(EventKind) - {EventKind.SEEN, EventKind.OPENED}
"""Kinds of events that decide whether the item stays in the feed; the last of them counts."""
CLICKS: Final = frozenset({EventKind.OPENED, EventKind.ACTED})
"""Kinds of events by which a person shows that an item is of use; models learn from them."""


class Told(msgspec.Struct, frozen=True):
    """The numbers that an item told the person.

    Attributes:
        as_of: The day of the facts, in days since 1970-01-01.
        score: The score; None if it was unknown.
        values: The rule's values as FEEL literals, by name.
    """

    as_of: int
    score: Decimal | None
    values: dict[str, str]


class Order(NamedTuple):
    """The place of an event among others.

    Attributes:
        at: Time of the event, in milliseconds since 1970-01-01, never later than it was received.
        stated: Time by the clock of the device, which orders events that were received at once.
        id: Identifier of the event.
    """

    at: int
    stated: int
    id: str


class Event(msgspec.Struct, frozen=True):
    """Something that a person did with an item.

    Attributes:
        order: Time and identifier of the event.
        kind: Kind of the event.
        item: The item.
        view: Identifier of the view that the person saw.
        until: The end of a snooze by the clock of the device, in milliseconds since 1970-01-01.
    """

    order: Order
    kind: EventKind
    item: ItemId
    view: str
    until: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """The last event that decides whether an item stays in the feed, with what the item said.

    Attributes:
        order: Time and identifier of the event.
        kind: Kind of the event.
        told: The content of the item.
        until: The end of a snooze by a clock that is right, in milliseconds since 1970-01-01.
    """

    order: Order
    kind: EventKind
    told: Told
    until: int | None = None


class ItemState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The sum of an item's events.

    Attributes:
        seen: Days on which the person saw it, in ascending order.
        opened: Time at which they first opened it, in milliseconds since 1970-01-01.
        last: The last event of any kind.
        told: The content of the item at the last event.
        answer: The last event that decides whether it stays.
    """

    seen: tuple[int, ...] = ()
    opened: int | None = None
    last: Order | None = None
    told: Told | None = None
    answer: Answer | None = None

    @property
    def answered(self) -> EventKind | None:
        """The answer in force; None if there is none, or it was undone."""
        kind = None if self.answer is None else self.answer.kind
        return None if kind is EventKind.UNDONE else kind


def with_event(state: ItemState, event: Event, told: Told, day: int) -> ItemState:
    """Return a state with one more event. The order in which events are added makes no difference.

    Whoever opens an item, or answers it, has seen it.

    Args:
        state: The state of the event's item.
        event: The event.
        told: The content of the item in the view of the event.
        day: The day of the event in the person's time zone.
    """
    seen, opened = state.seen, state.opened
    if event.kind is not EventKind.UNDONE and day not in seen:
        seen = tuple(sorted({*seen, day}))
    if event.kind is EventKind.OPENED:
        opened = event.order.at if opened is None else min(opened, event.order.at)
    is_last = state.last is None or event.order > state.last
    answer = state.answer
    if event.kind in ANSWERS and (answer is None or event.order > answer.order):
        error = event.order.stated - event.order.at  # of the clock that told the end as well
        until = None if event.until is None else event.until - error
        answer = Answer(event.order, event.kind, told, until)
    return ItemState(
        seen,
        opened,
        event.order if is_last else state.last,
        told if is_last else state.told,
        answer,
    )


def has_changed(before: Told, now: Told, changes: Mapping[str, str]) -> bool:
    """Return whether an item says something materially different from before.

    Args:
        before: Its content when it was acknowledged.
        now: Its present content.
        changes: The changes that matter, by the names of values.
    """
    return any(
        _differs(before.values.get(name), now.values.get(name), change)
        for name, change in changes.items()
    )


def _differs(before: str | None, now: str | None, change: str) -> bool:
    if before == now:
        return False
    if change == "any" or before is None or now is None:
        return True
    old, new = value_of(before), value_of(now)
    if isinstance(old, Decimal) and isinstance(new, Decimal):
        return abs(new - old) * 100 >= abs(old) * Decimal(change)
    return True


def value_of(literal: str) -> Any:
    """Return the FEEL value of a literal."""
    return evaluate(literal)
