"""Records what people do with the items of their feeds.

Devices report events late, twice, out of order, and by clocks that are wrong. Each event counts
once. What they add up to does not depend on the order in which they arrive if clocks are right, or
each batch says when it is sent. Otherwise an event of a clock that is up to a minute ahead happened
when it was received, and later ones are refused.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tuppence.errors import UserError
from tuppence.feed.items import (
    DAY,
    Answer,
    Event,
    EventKind,
    ItemId,
    ItemState,
    Order,
    Told,
    with_event,
)
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import local_day
from tuppence.usecases.feed_ports import FeedChange, FeedStore, Received, View

OLDEST: Final = 90 * DAY
"""Age in milliseconds of events that are still recorded."""
AHEAD: Final = 60_000
"""Milliseconds by which the clock of a device may be ahead without its telling."""


class Happened(NamedTuple):
    """An event as a device reports it.

    Attributes:
        id: Identifier that the device gave it.
        kind: Kind of the event.
        item: The item.
        view: Identifier of the view that the person saw.
        at: Time of the event by the clock of the device, in milliseconds since 1970-01-01.
        until: The end of a snooze.
    """

    id: str
    kind: EventKind
    item: ItemId
    view: str
    at: int
    until: int | None = None


class Refused(msgspec.Struct, frozen=True):
    """An event that was not recorded.

    Attributes:
        id: Identifier that the device gave it.
        code: Stable identifier of the reason.
        title: The reason in a sentence.
        detail: Advice on what to do, or empty.
    """

    id: str
    code: str
    title: str
    detail: str = ""


class Recorded(msgspec.Struct, frozen=True):
    """The outcome of a batch of events.

    Attributes:
        recorded: Number of new events.
        repeated: Number of events that had been recorded before.
        refused: Events that cannot be recorded, now or later.
    """

    recorded: int
    repeated: int
    refused: tuple[Refused, ...]


def record_events(
    store: FeedStore,
    customer: str,
    views: Mapping[str, View],
    happened: Sequence[Happened],
    policy: Policy,
    now: int,
    sent_at: int | None = None,
) -> Recorded:
    """Record a batch of events of one person: all that can be recorded, in one step.

    Args:
        store: Keeps the events.
        customer: The person.
        views: Views that the service has shown this person, by identifier.
        happened: The events.
        policy: The policy of the feed.
        now: Time of their receipt, in milliseconds since 1970-01-01.
        sent_at: Time of sending by the clock of the device; it corrects the times of events.

    Raises:
        UserError: There is no such customer.
    """
    ahead = 0 if sent_at is None else sent_at - now
    with store.change(customer) as change:
        return _record(change, views, happened, policy, now, ahead)


def _record(
    change: FeedChange,
    views: Mapping[str, View],
    happened: Sequence[Happened],
    policy: Policy,
    now: int,
    ahead: int = 0,
) -> Recorded:
    """Record events in a change; `ahead` is by how much the clock of the device is ahead."""
    refused, repeated = list[Refused](), 0
    known = {**views, **change.views({one.view for one in happened} - views.keys())}
    earlier = dict(change.events({one.id for one in happened}))
    time_zone = change.kept.preferences.time_zone or policy.time_zone
    new, states = list[Received](), dict[ItemId, ItemState]()
    for one in happened:
        before = earlier.get(one.id)
        if before is not None and _is_same(before, one):
            repeated += 1
            continue
        view = known.get(one.view)
        told = None if view is None else view.told(one.item)
        problem = _problem(one, before, told, policy, now, ahead)
        if problem is not None or told is None:
            refused.append(refusal(one.id, problem or _not_shown()))
            continue
        order = Order(min(one.at - ahead, now), one.at, one.id)
        event = Event(order, one.kind, one.item, one.view, one.until)
        earlier[one.id] = event
        new.append(Received(event, now))
        state = states.get(one.item) or change.kept.states.get(one.item, ItemState())
        day = local_day(order.at, time_zone)
        states[one.item] = with_event(state, event, told, day)
    used = {one.event.view for one in new}
    change.add({name: known[name] for name in sorted(used)}, new, states)
    return Recorded(len(new), repeated, tuple(refused))


def answer_item(
    store: FeedStore,
    customer: str,
    view: tuple[str, View],
    item: ItemId,
    kind: EventKind,
    policy: Policy,
    now: int,
    until: int | None = None,
) -> None:
    """Record a person's answer to an item, unless it is the answer already.

    Args:
        store: Keeps the answer.
        customer: The person.
        view: The view that the person saw, with its identifier.
        item: The item.
        kind: The answer.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
        until: The end of a snooze.

    Raises:
        UserError: The view does not show the item, or a snooze has no end, or too late a one.
    """
    with store.change(customer) as change:
        answer = change.kept.states.get(item, ItemState()).answer
        told = view[1].told(item)
        if answer is None or (answer.kind, answer.until, answer.told) != (kind, until, told):
            _record_one(change, view, item, kind, policy, _after(answer, now), until)


def see_item(
    store: FeedStore,
    customer: str,
    view: tuple[str, View],
    item: ItemId,
    policy: Policy,
    now: int,
) -> None:
    """Record that a person sees an item, unless they have seen it today.

    Args:
        store: Keeps the event.
        customer: The person.
        view: The view that the person sees, with its identifier.
        item: The item.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.

    Raises:
        UserError: The view does not show the item.
    """
    with store.change(customer) as change:
        today = local_day(now, change.kept.preferences.time_zone or policy.time_zone)
        if today not in change.kept.states.get(item, ItemState()).seen:
            _record_one(change, view, item, EventKind.SEEN, policy, now)


def _record_one(
    change: FeedChange,
    view: tuple[str, View],
    item: ItemId,
    kind: EventKind,
    policy: Policy,
    now: int,
    until: int | None = None,
) -> None:
    """Record an event that no device has named.

    Raises:
        UserError: It cannot be recorded.
    """
    name, shown = view
    one = Happened(_own_id(item, kind, name, now, until), kind, item, name, now, until)
    for refused in _record(change, {name: shown}, [one], policy, now).refused:
        raise UserError(refused.code, refused.title, refused.detail)


def undo_answer(store: FeedStore, customer: str, item: ItemId, policy: Policy, now: int) -> None:
    """Undo a person's answer to an item; without an answer nothing happens.

    Args:
        store: Keeps the answer.
        customer: The person.
        item: The item.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
    """
    with store.change(customer) as change:
        state = change.kept.states.get(item, ItemState())
        if state.answer is None or state.answered is None:
            return
        at = _after(state.answer, now)
        order = Order(at, at, _own_id(item, EventKind.UNDONE, "", at, None))
        event = Event(order, EventKind.UNDONE, item, "")
        day = local_day(at, change.kept.preferences.time_zone or policy.time_zone)
        states = {item: with_event(state, event, state.answer.told, day)}
        change.add({}, [Received(event, now)], states)


def refusal(name: str, problem: UserError) -> Refused:
    """Return the refusal of an event.

    Args:
        name: Identifier that the device gave it.
        problem: The reason why it cannot be recorded.
    """
    return Refused(name, problem.code, problem.message, problem.hint)


def _problem(
    one: Happened, before: Event | None, told: Told | None, policy: Policy, now: int, ahead: int
) -> UserError | None:
    """Return why an event cannot be recorded, or None."""
    if before is not None:
        message = "another event with this id was recorded before"
        return UserError("feed.conflict", message, "give each event an id of its own")
    if told is None:
        return _not_shown()
    at = one.at - ahead
    if at > now + AHEAD:
        message = f"the event is more than {AHEAD // 1_000} seconds ahead"
        return UserError("feed.future", message, "send sent_at by the same clock")
    if at < now - OLDEST:
        message = f"the event is more than {OLDEST // DAY} days old"
        return UserError("feed.old", message, "send events soon after they happen")
    if one.kind is not EventKind.SNOOZED:
        if one.until is None:
            return None
        return UserError("feed.until", "until belongs to snoozed only", "leave it out")
    longest = policy.longest_snooze_days
    if one.until is None or not one.at < one.until <= one.at + longest * DAY:
        message = f"snoozed needs until, a later time within {longest} days"
        return UserError("feed.until", message)
    return None


def _not_shown() -> UserError:
    message = "no view that is known showed this item"
    return UserError("feed.not-shown", message, "send the receipt of the view with its events")


def _is_same(before: Event, one: Happened) -> bool:
    return (before.order.stated, before.kind, before.item, before.view, before.until) == (
        one.at,
        one.kind,
        one.item,
        one.view,
        one.until,
    )


def _after(answer: Answer | None, now: int) -> int:
    """Return the present time, or a later one at which an answer replaces the one before."""
    return now if answer is None else max(now, answer.order.at + 1)


def _own_id(item: ItemId, kind: EventKind, view: str, at: int, until: int | None) -> str:
    """Return the identifier of an event that no device has named."""
    content = f"{item} {kind} {view} {at} {until}"
    return f"own-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
