"""Finds what is new for a person on a channel, and plans how they are told of it.

Everything here is a pure function. A delivery is one message to one person on one channel. What it
says is checked again before each attempt, so it never says more than the feed does at that moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from tuppence.feed.choice import Candidate, Moment, Outcome, Reader, told_by
from tuppence.feed.items import DAY, ItemId, Told, has_changed
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import after_quiet_hours, local_day, start_of_day

KEPT_DAYS: Final = 90
"""Days for which an ended delivery is kept at least."""


class DeliveryState(StrEnum):
    """The state of a delivery: it waits for an attempt, has arrived, or was given up."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class ToldItem(NamedTuple):
    """An item, and what a person is told of it."""

    item: ItemId
    told: Told


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to one person on one channel.

    Attributes:
        channel: Name of the channel.
        items: The items that it is about, in the order of the feed.
        made: The time at which it was planned, in milliseconds since 1970-01-01.
        at: The time at which it is due, was delivered, or was given up.
        state: Its state.
        attempts: Number of attempts that have begun since it was planned or redriven.
        began: Whether any attempt ever began, so that it may have arrived.
        sending: Whether an attempt has begun whose outcome is not recorded. If its process was
            killed, nobody will record one: such an attempt is over when the delivery is due again.
        reason: The reason why the last attempt failed, in a sentence without personal data.
    """

    channel: str
    items: tuple[ToldItem, ...]
    made: int
    at: int
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    began: bool = False
    sending: bool = False
    reason: str = ""

    def is_on_its_way(self, now: int) -> bool:
        """Return whether an attempt is going on, which this delivery must not change under.

        Args:
            now: The clock, in milliseconds since 1970-01-01.
        """
        return self.state is DeliveryState.WAITING and self.sending and now < self.at


class ChannelRule(NamedTuple):
    """A channel as plans need it.

    Attributes:
        name: Its name.
        personal: Whether it reaches the person. If so, they must have switched it on, quiet hours
            hold, and there is at most one delivery a day. Otherwise it reaches an app's backend.
    """

    name: str
    personal: bool


class Plan(NamedTuple):
    """A change of a person's deliveries.

    Attributes:
        put: Deliveries to keep, by identifier.
        remove: Identifiers of deliveries that say nothing any more.
    """

    put: Mapping[str, Delivery]
    remove: frozenset[str]


class Shown(NamedTuple):
    """A person's feed as plans need it.

    Attributes:
        candidates: All insights that qualify, in order; none without a consent.
        reader: The person, with their states and preferences.
        evaluated: The day of the newest facts, in days since 1970-01-01.
        moment: The moment at which the feed was built.
    """

    candidates: Sequence[Candidate]
    reader: Reader
    evaluated: int
    moment: Moment


def news(shown: Shown, told: Mapping[ItemId, Told], policy: Policy) -> tuple[ToldItem, ...]:
    """Return the items of a feed that are new for a person, in its order.

    An item is new unless the person has seen it, or was told of it, and its numbers have not
    changed materially since.

    Args:
        shown: The feed.
        told: The last message about each item, on the channel in question.
        policy: The policy of the feed.
    """
    found = []
    for one in shown.candidates:
        if one.outcome is not Outcome.SHOWN:
            continue
        now = told_by(one, shown.evaluated)
        state = shown.reader.states.get(one.item)
        known = [None if state is None else state.told, told.get(one.item)]
        changes = policy.changes(one.rule, now.values)
        if all(was is None or has_changed(was, now, changes) for was in known):
            found.append(ToldItem(one.item, now))
    return tuple(found)


def plan(
    shown: Shown,
    channels: Iterable[ChannelRule],
    deliveries: Mapping[str, Delivery],
    policy: Policy,
    new_ids: Iterable[str],
) -> Plan:
    """Plan how a person is told what is new.

    A delivery that was never attempted is replaced when it would say something else by now. One
    that was attempted may have arrived, so it keeps its name, and only what no longer holds is
    taken out of it. One that is being sent is left alone, as it says already what it says.

    Args:
        shown: The person's feed.
        channels: The channels.
        deliveries: All deliveries to the person, by identifier.
        policy: The policy of the feed.
        new_ids: Identifiers for new deliveries.
    """
    ids = iter(new_ids)
    put: dict[str, Delivery] = {}
    removed = set(_outdated(shown, deliveries))
    for channel in channels:
        own = {name: one for name, one in deliveries.items() if one.channel == channel.name}
        changed, gone = _plan_channel(shown, channel, own, policy)
        put |= {name or next(ids): one for name, one in changed}
        removed |= gone
    return Plan(put, frozenset(removed))


def _plan_channel(
    shown: Shown, channel: ChannelRule, own: Mapping[str, Delivery], policy: Policy
) -> tuple[list[tuple[str, Delivery]], set[str]]:
    """Return the deliveries of a channel to keep, with an empty name for a new one, and to remove.

    Args:
        shown: The person's feed.
        channel: The channel.
        own: The person's deliveries on it.
        policy: The policy of the feed.
    """
    wanted = not channel.personal or channel.name in shown.reader.preferences.channels_on
    told: dict[ItemId, Told] = {}
    waiting = dict[str, Delivery]()
    for name, one in sorted(own.items(), key=lambda pair: pair[1].made):
        if one.state is DeliveryState.WAITING and not one.is_on_its_way(shown.moment.now):
            waiting[name] = one
        else:
            told |= dict(one.items)
    fresh = news(shown, told, policy) if wanted else ()
    changed, gone = list[tuple[str, Delivery]](), set[str]()
    for name, one in waiting.items():
        if not one.began:
            continue
        left = tuple(item for item in one.items if _is_among(item, fresh))
        fresh = tuple(item for item in fresh if not _is_among(item, left))
        if not left:
            gone.add(name)
        elif left != one.items:
            changed.append((name, msgspec.structs.replace(one, items=left)))
    fresh = fresh[: policy.digest] if channel.personal else fresh
    for name, one in waiting.items():
        if one.began:
            continue
        if fresh and _say_the_same(one.items, fresh):
            fresh = ()
        else:
            gone.add(name)
    if fresh:
        due = due_at(shown, channel, own.values(), policy)
        changed.append(("", Delivery(channel.name, fresh, shown.moment.now, due)))
    return changed, gone


def due_at(shown: Shown, channel: ChannelRule, others: Iterable[Delivery], policy: Policy) -> int:
    """Return the first moment from now on at which a delivery may be attempted.

    On a personal channel it is not quiet then, and nothing else has arrived on the same day, or is
    on its way. Deliveries that only wait do not count: two of them would put each other off.

    Args:
        shown: The person's feed.
        channel: The channel.
        others: The person's other deliveries on it.
        policy: The policy of the feed.
    """
    today, now = shown.moment.today, shown.moment.now
    if not channel.personal:
        return now
    chosen = shown.reader.preferences
    zone = chosen.time_zone or policy.time_zone
    days = [
        today if one.is_on_its_way(now) else local_day(one.at, zone)  # `at` ends its lease
        for one in others
        if one.state is DeliveryState.DELIVERED or one.is_on_its_way(now)
    ]
    last = max(days, default=today - 1)
    at = now if last < today else start_of_day(last + 1, zone)
    return after_quiet_hours(at, zone, chosen.quiet_hours or policy.quiet_hours)


def _outdated(shown: Shown, deliveries: Mapping[str, Delivery]) -> Iterable[str]:
    """Yield the ended deliveries that are old and about nothing that may be shown again."""
    alive = {one.item for one in shown.candidates}
    old = shown.moment.now - KEPT_DAYS * DAY
    for name, one in deliveries.items():
        has_ended = one.state is not DeliveryState.WAITING and one.at < old
        if has_ended and alive.isdisjoint(item for item, _ in one.items):
            yield name


def _is_among(one: ToldItem, others: Iterable[ToldItem]) -> bool:
    return any(one.item == other.item and one.told.values == other.told.values for other in others)


def _say_the_same(these: Sequence[ToldItem], others: Sequence[ToldItem]) -> bool:
    return len(these) == len(others) and all(_is_among(one, others) for one in these)
