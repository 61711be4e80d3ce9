"""Tells people what is new in their feeds: plans deliveries, and makes them.

A delivery is planned under the same lock of the person as their events. An attempt begins by moving
the time when it is due past the longest attempt, so that nobody else begins one meanwhile, and ends
by recording the outcome. If the process is killed in between, the attempt is repeated with the same
identifier, by which the receiver knows it.
"""

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import msgspec

from tuppence.errors import UserError
from tuppence.feed.choice import Moment
from tuppence.feed.items import DAY
from tuppence.feed.news import Delivery, DeliveryState, Plan, Shown, due_at, plan
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import local_day
from tuppence.feel.values import Date
from tuppence.usecases.build_feed import Feed, FeedRequest, served_feed
from tuppence.usecases.delivery_ports import (
    Audience,
    Channel,
    DeliveryError,
    Letter,
    Outbox,
    OutboxChange,
)
from tuppence.usecases.feed_ports import FeedStore, Kept, Person
from tuppence.usecases.order_feed import Model, no_model

LEASE: Final = 600_000
"""Milliseconds in which an attempt ends; after them another one may begin.

The longest is a mail: a dozen steps of at most 30 seconds each.
"""
PAGE: Final = 500
"""Number of customers, and of due deliveries, that are read at once."""
GROWTH: Final = 4
"""Factor by which each pause is longer than the one before."""
FAILURES: Final = 20
"""Attempts that fail in a row until a channel is left alone for the rest of a pass."""
_logger: Final = logging.getLogger(__name__)


class Retry(NamedTuple):
    """The times at which failed attempts are repeated.

    Attributes:
        attempts: Number of attempts after which a delivery is given up.
        first: Pause after the first one, in milliseconds.
        longest: Longest pause, in milliseconds.
        jitter: Share of each pause that chance may take away, from 0 to 1.
    """

    attempts: int
    first: int
    longest: int
    jitter: float

    def pause(self, attempts: int, chance: float) -> int:
        """Return the pause after some attempts, in milliseconds.

        Args:
            attempts: Number of attempts so far.
            chance: A random number from 0 to 1.
        """
        usual = min(self.first * int(GROWTH ** (attempts - 1)), self.longest)
        return round(usual * (1 - self.jitter * chance))


class DeliveryDependencies(NamedTuple):
    """The parts that deliveries are made with.

    Attributes:
        people: The customers.
        outbox: Keeps deliveries.
        channels: The channels by name.
        policy: The policy of feeds.
        retry: The times at which failed attempts are repeated.
        clock: Returns the time, in milliseconds since 1970-01-01.
        chance: Returns a random number from 0 to 1.
        new_id: Returns a new identifier that nobody can guess.
        threads: Number of attempts at a time.
        model: Returns the published model that orders feeds, if there is one.
    """

    people: Audience
    outbox: Outbox
    channels: Mapping[str, Channel]
    policy: Policy
    retry: Retry
    clock: Callable[[], int]
    chance: Callable[[], float]
    new_id: Callable[[], str]
    threads: int
    model: Callable[[], Model | None] = no_model


class GivenUp(NamedTuple):
    """A delivery that was given up.

    Attributes:
        id: Its identifier.
        channel: Its channel.
        at: The time, in milliseconds since 1970-01-01.
        reason: The reason.
    """

    id: str
    channel: str
    at: int
    reason: str


class Delivered(NamedTuple):
    """The outcome of a pass.

    Attributes:
        planned: Number of deliveries that were planned.
        delivered: Number that arrived.
        failed: Number of attempts that failed and are repeated.
        given_up: Those that were given up in this pass.
        stopped: Channels that were left alone after too many failures in a row.
    """

    planned: int
    delivered: int
    failed: int
    given_up: Sequence[GivenUp]
    stopped: Sequence[str]


def deliver(deps: DeliveryDependencies, patience: int, sleep: Callable[[float], None]) -> Delivered:
    """Plan what is new for everybody, and make all deliveries that are due.

    Args:
        deps: The parts that deliveries are made with.
        patience: Milliseconds for which a next attempt is waited for. Later ones are left to the
            next pass.
        sleep: Waits for some seconds.
    """
    with ThreadPoolExecutor(deps.threads, "deliver") as pool:
        planned = 0
        for names in _pages(deps.people):  # as `map` takes all of its input at once
            planned += sum(pool.map(lambda name: _plan(deps, name), names))
        passing = _Pass(deps)
        while True:
            now, open_channels = deps.clock(), passing.open_channels()
            due = deps.outbox.due(open_channels, now, PAGE)
            if due:
                list(pool.map(lambda one: passing.attempt(*one), due))
                continue
            upcoming = deps.outbox.next_due(open_channels)
            if upcoming is None or upcoming > now + patience:
                return passing.result(planned)
            sleep((upcoming - now) / 1_000)


def redrive(outbox: Outbox, now: int) -> int:
    """Make all deliveries that were given up due again, and return their number.

    Args:
        outbox: Keeps deliveries.
        now: The clock, in milliseconds since 1970-01-01.
    """
    count = 0
    for customer, name, _ in outbox.dead(None):
        with outbox.change(customer) as change:
            one = change.deliveries.get(name)
            if one is None or one.state is not DeliveryState.DEAD:
                continue
            waiting = DeliveryState.WAITING
            again = msgspec.structs.replace(one, state=waiting, attempts=0, at=now)
            change.write({name: again}, ())
            count += 1
    return count


def given_up(outbox: Outbox, limit: int) -> Sequence[GivenUp]:
    """Return deliveries that were given up, with their reasons, the newest first.

    Args:
        outbox: Keeps deliveries.
        limit: Maximum number of them.
    """
    return [GivenUp(name, one.channel, one.at, one.reason) for _, name, one in outbox.dead(limit)]


def unsubscribe(outbox: Outbox, store: FeedStore, delivery: str) -> bool:
    """Switch the channel of a delivery off for whoever it went to; return False if it is not known.

    Args:
        outbox: Keeps deliveries.
        store: Keeps preferences.
        delivery: Identifier of the delivery.
    """
    found = outbox.recipient(delivery)
    if found is None:
        return False
    customer, channel = found
    with store.change(customer) as change:
        chosen = change.kept.preferences
        left = [one for one in chosen.channels_on if one != channel]
        change.prefer(msgspec.structs.replace(chosen, channels_on=left))
    return True


def _pages(people: Audience) -> Iterator[Sequence[str]]:
    last = ""
    while names := people.after(last, PAGE):
        yield names
        last = names[-1]


class _Planned(NamedTuple):
    """The feed that a person has now, and what is planned for them."""

    feed: Feed
    shown: Shown
    plan: Plan


def _plan(deps: DeliveryDependencies, customer: str) -> int:
    """Plan what a person is told, and return the number of new deliveries."""
    try:
        person = _person(deps, customer)
        planned = _planned(deps, person, *deps.outbox.read(customer)).plan
        if not planned.put and not planned.remove:
            return 0
        with deps.outbox.change(customer) as change:
            planned = _planned(deps, person, change.kept, change.deliveries).plan
            change.write(planned.put, planned.remove)
            return len(planned.put.keys() - change.deliveries.keys())
    except UserError as error:
        if error.code not in _NOBODY:
            raise
        return 0


_NOBODY: Final = frozenset({"facts.unknown-customer", "results.none"})
"""Codes of errors about a customer who has no feed: erased meanwhile, or never evaluated."""


def _person(deps: DeliveryDependencies, customer: str) -> Person:
    return deps.people.find(customer, Date(deps.clock() // DAY))


def _planned(
    deps: DeliveryDependencies, person: Person, kept: Kept, deliveries: Mapping[str, Delivery]
) -> _Planned:
    now, policy, chosen = deps.clock(), deps.policy, kept.preferences
    feed = served_feed(FeedRequest(person, kept, policy, now, model=deps.model()))
    today = local_day(now, chosen.time_zone or policy.time_zone)
    moment = Moment(person.as_of.day, today, now)
    reader = kept.reader(person.vulnerable)
    shown = Shown(feed.candidates, reader, feed.evaluated.day, moment)
    channels = [one.rule for one in deps.channels.values()]
    ids = (deps.new_id() for _ in itertools.count())
    return _Planned(feed, shown, plan(shown, channels, deliveries, policy, ids))


class _Pass:
    """One pass over what is due. Threads share it."""

    def __init__(self, deps: DeliveryDependencies) -> None:
        self._deps = deps
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._in_a_row = Counter[str]()
        self._given_up: list[GivenUp] = []

    def open_channels(self) -> list[str]:
        """Return the channels that have not failed too often in a row."""
        with self._lock:
            return sorted(n for n in self._deps.channels if self._in_a_row[n] < FAILURES)

    def result(self, planned: int) -> Delivered:
        """Return what the pass has done."""
        stopped = sorted(self._deps.channels.keys() - self.open_channels())
        ended = sorted(self._given_up, key=lambda one: one.id)
        return Delivered(planned, self._counts["delivered"], self._counts["failed"], ended, stopped)

    def attempt(self, customer: str, name: str) -> None:
        """Make one attempt of a delivery, unless it is not due any more or says nothing new."""
        try:
            letter = self._begin(customer, name)
            if letter is not None:
                channel, message = letter
                self._end(customer, name, channel, self._send(channel, message))
        except UserError as error:
            if error.code not in _NOBODY:
                raise
            self._deps.outbox.drop(customer, name)  # it may be gone with them

    def _begin(self, customer: str, name: str) -> tuple[Channel, Letter] | None:
        """Begin an attempt, and return what is sent where."""
        deps = self._deps
        person = _person(deps, customer)
        with deps.outbox.change(customer) as change:
            planned = _planned(deps, person, change.kept, change.deliveries)
            change.write(planned.plan.put, planned.plan.remove)
            one = {**change.deliveries, **planned.plan.put}.get(name)
            now = planned.shown.moment.now
            is_due = one is not None and one.state is DeliveryState.WAITING and one.at <= now
            if one is None or not is_due or name in planned.plan.remove:
                return None
            if one.channel not in self.open_channels():
                return None
            channel = deps.channels[one.channel]
            others = [
                other
                for key, other in change.deliveries.items()
                if other.channel == one.channel and key != name
            ]
            free = due_at(planned.shown, channel.rule, others, deps.policy)
            if free > now:
                change.write({name: msgspec.structs.replace(one, at=free)}, ())
                return None
            begun = msgspec.structs.replace(
                one, at=now + LEASE, attempts=one.attempts + 1, began=True, sending=True
            )
            change.write({name: begun}, ())
        wanted = {item for item, _ in one.items}
        items = [item for item in planned.feed.items if item.candidate.item in wanted]
        evaluated = planned.feed.evaluated
        return channel, Letter(name, customer, person.address, evaluated, items, one.made, now)

    def _send(self, channel: Channel, letter: Letter) -> DeliveryError | None:
        try:
            channel.send(letter)
        except DeliveryError as error:
            return error
        return None

    def _end(self, customer: str, name: str, channel: Channel, error: DeliveryError | None) -> None:
        """Record the outcome of an attempt."""
        with self._deps.outbox.change(customer) as change:
            one = change.deliveries.get(name)
            if one is not None and one.state is DeliveryState.WAITING:
                self._record(change, name, one, error)
        if error is not None and error.about_person:
            return
        with self._lock:
            in_a_row = self._in_a_row
            in_a_row[channel.rule.name] = 0 if error is None else in_a_row[channel.rule.name] + 1

    def _record(
        self, change: OutboxChange, name: str, one: Delivery, error: DeliveryError | None
    ) -> None:
        deps, now = self._deps, self._deps.clock()
        reason = "" if error is None else error.reason
        state = DeliveryState.WAITING
        if error is None:
            state = DeliveryState.DELIVERED
        elif error.final or one.attempts >= deps.retry.attempts:
            state = DeliveryState.DEAD
        at = now
        if state is DeliveryState.WAITING:
            at += deps.retry.pause(one.attempts, deps.chance())
        ended = msgspec.structs.replace(one, state=state, at=at, sending=False, reason=reason)
        change.write({name: ended}, ())
        word = {DeliveryState.WAITING: "failed"}.get(state, state.value)
        about = {"delivery": name, "channel": one.channel, "attempts": one.attempts}
        if error is None:
            _logger.info(word, extra=about)
        else:
            _logger.warning(word, extra={**about, "reason": reason})
        with self._lock:
            self._counts[word] += 1
            if state is DeliveryState.DEAD:
                self._given_up.append(GivenUp(name, one.channel, now, reason))
