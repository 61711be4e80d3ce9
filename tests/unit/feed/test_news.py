"""News for a person, and the time at which they are told: a property for each rule."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.insights import MOMENT, NOW, TODAY, by_id, result, rule
from tests.unit.feed.test_choice import after

from tuppence.feed.choice import Reader, choose
from tuppence.feed.items import DAY, EventKind, ItemId
from tuppence.feed.news import (
    KEPT_DAYS,
    ChannelRule,
    Delivery,
    DeliveryState,
    Shown,
    due_at,
    news,
    plan,
)
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import Preferences, QuietHours, after_quiet_hours, local_day
from tuppence.results.result import Result
from tuppence.rules.rule import Rule

HOUR = 3_600_000
POLICY = Policy(brings_back={"insight": "20"})
HOOK, MAIL = ChannelRule("webhook.app", personal=False), ChannelRule("mail", personal=True)
RULES = by_id(rule("fees"), rule("coffee"), rule("energy"), rule("rent"))
WANTED = Preferences(channels_on=["mail"])
NOON = NOW + 12 * HOUR


def shown(
    *results: Result,
    now: int = NOON,
    preferences: Preferences = WANTED,
    states: Mapping[ItemId, Any] | None = None,
    rules: Mapping[str, Rule] = RULES,
    policy: Policy = POLICY,
) -> Shown:
    reader = Reader(states or {}, preferences)
    moment = MOMENT._replace(now=now, today=local_day(now, policy.time_zone))
    return Shown(choose(results, rules, reader, policy, moment), reader, TODAY, moment)


def named(items: Iterable[Any]) -> list[str]:
    return [one.item.rule_id for one in items]


class Box:
    """The deliveries to a person, changed by plans as an outbox would."""

    def __init__(self, *channels: ChannelRule, policy: Policy = POLICY) -> None:
        self.channels = channels
        self.policy = policy
        self.deliveries: dict[str, Delivery] = {}
        self._count = itertools.count()

    def plan(self, feed: Shown) -> set[str]:
        """Plan, and return the identifiers of new deliveries."""
        ids = (f"d{next(self._count)}" for _ in itertools.count())
        found = plan(feed, self.channels, self.deliveries, self.policy, ids)
        new = found.put.keys() - self.deliveries.keys()
        assert not found.put.keys() & found.remove
        assert found.remove <= self.deliveries.keys()
        kept = {n: d for n, d in self.deliveries.items() if n not in found.remove}
        self.deliveries = {**kept, **found.put}
        return set(new)

    def begin(self, name: str) -> None:
        """Begin an attempt that fails at once."""
        self._change(name, began=True, attempts=1)

    def send(self, name: str, until: int) -> None:
        """Begin an attempt that goes on until a moment at the latest."""
        self._change(name, began=True, attempts=1, sending=True, at=until)

    def end(self, name: str, state: DeliveryState, at: int) -> None:
        self._change(name, began=True, sending=False, state=state, at=at)

    def said(self) -> dict[str, list[str]]:
        return {name: named(one.items) for name, one in self.deliveries.items()}

    def _change(self, name: str, **fields: Any) -> None:
        self.deliveries[name] = msgspec.structs.replace(self.deliveries[name], **fields)


def test_what_was_seen_or_told_is_new_again_only_if_its_numbers_change_materially() -> None:
    feed = shown(result("fees", x=Decimal(100)), result("coffee", x=Decimal(1)))
    assert named(news(feed, {}, POLICY)) == ["coffee", "fees"]
    (candidate,) = (one for one in feed.candidates if one.rule.id == "fees")
    states = {candidate.item: after(candidate, EventKind.SEEN, at=NOW)}
    told = dict(news(feed, {}, POLICY))
    for number, fresh in ((100, []), (119, []), (120, ["fees"])):
        later = shown(result("fees", x=Decimal(number)), states=states)
        assert named(news(later, {}, POLICY)) == fresh, "seen"
        assert named(news(shown(result("fees", x=Decimal(number))), told, POLICY)) == fresh, "told"


def test_only_what_the_feed_shows_is_told() -> None:
    off = Preferences(["insight"], channels_on=["mail"])
    assert news(shown(result("fees"), preferences=off), {}, POLICY) == ()


def test_a_person_is_told_once_and_of_what_came_later_by_another_delivery() -> None:
    box = Box(HOOK)
    (first,) = box.plan(shown(result("fees")))
    assert box.plan(shown(result("fees"))) == set(), "it waits already"
    box.end(first, DeliveryState.DELIVERED, NOON)
    assert box.plan(shown(result("fees"), now=NOON + DAY)) == set()
    (second,) = box.plan(shown(result("fees"), result("coffee"), now=NOON + DAY))
    assert box.said() == {first: ["fees"], second: ["coffee"]}


def test_a_delivery_that_was_never_attempted_says_what_is_new_by_now() -> None:
    box = Box(HOOK)
    (first,) = box.plan(shown(result("fees", x=Decimal(1))))
    (second,) = box.plan(shown(result("fees", x=Decimal(2)), result("coffee")))
    assert box.said() == {second: ["coffee", "fees"]}
    assert first != second
    assert box.plan(shown()) == set()
    assert box.deliveries == {}, "withdrawn, answered, expired or without consent"


def test_a_delivery_that_may_have_arrived_keeps_its_name_and_loses_what_no_longer_holds() -> None:
    box = Box(HOOK)
    (first,) = box.plan(shown(result("fees", x=Decimal(1)), result("coffee")))
    box.begin(first)
    (second,) = box.plan(shown(result("fees", x=Decimal(2)), result("coffee"), result("rent")))
    assert box.said() == {first: ["coffee"], second: ["fees", "rent"]}
    box.plan(shown())
    assert box.said() == {}


def test_what_is_being_sent_is_left_alone_whatever_the_feed_says_by_then() -> None:
    """The attempt tells all of it, and its record is what a mail's link is found by."""
    for channel in (HOOK, MAIL):
        box = Box(channel)
        (first,) = box.plan(shown(result("fees", x=Decimal(100)), result("coffee")))
        box.send(first, NOON + HOUR)
        before = box.deliveries[first]
        assert box.plan(shown()) == set()
        assert box.plan(shown(result("fees", x=Decimal(100)))) == set(), "it is told of that"
        (second,) = box.plan(shown(result("fees", x=Decimal(200))))
        assert box.deliveries[first] == before
        assert box.said()[second] == ["fees"]
        box.plan(shown(now=NOON + HOUR))
        assert box.deliveries == {}, "an attempt that was killed is over when it is due again"


def test_what_was_given_up_is_not_planned_again() -> None:
    box = Box(HOOK)
    (first,) = box.plan(shown(result("fees")))
    box.end(first, DeliveryState.DEAD, NOON)
    assert box.plan(shown(result("fees"), now=NOON + DAY)) == set()


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (WANTED, {"mail", "webhook.app"}),
        (Preferences(), {"webhook.app"}),
        (Preferences(channels_on=["push"]), {"webhook.app"}),
    ],
)
def test_a_person_is_told_only_on_the_channels_that_they_switched_on(
    chosen: Preferences, told: set[str]
) -> None:
    box = Box(HOOK, MAIL)
    box.plan(shown(result("fees"), preferences=chosen))
    assert {one.channel for one in box.deliveries.values()} == told
    box.plan(shown(result("fees"), preferences=Preferences()))
    assert {one.channel for one in box.deliveries.values()} == {"webhook.app"}


def test_a_digest_has_the_first_of_the_feed_and_the_rest_comes_the_next_day() -> None:
    policy = msgspec.structs.replace(POLICY, digest=2)
    box = Box(MAIL, policy=policy)
    feed = [result(name, score) for name, score in (("fees", "9"), ("rent", "8"), ("energy", "7"))]
    (first,) = box.plan(shown(*feed, policy=policy))
    box.end(first, DeliveryState.DELIVERED, NOON)
    (second,) = box.plan(shown(*feed, policy=policy, now=NOON + HOUR))
    assert box.said() == {first: ["fees", "rent"], second: ["energy"]}
    assert box.deliveries[first].at == NOON
    morning = NOW + DAY + 7 * HOUR  # 08:00 in London, in summer
    assert box.deliveries[second].at == morning, "one a day, and after the quiet hours"


@pytest.mark.parametrize(
    ("fields", "next_day"),
    [
        ({"state": DeliveryState.DELIVERED}, True),
        ({"sending": True, "began": True, "at": NOON + HOUR}, True),
        ({"sending": True, "began": True, "at": NOON}, False),
        ({"began": True, "at": NOON + HOUR}, False),
        ({"state": DeliveryState.DEAD, "began": True}, False),
        ({"state": DeliveryState.DELIVERED, "at": NOON - DAY}, False),
    ],
)
def test_what_arrived_today_or_is_on_its_way_puts_a_digest_off(
    fields: Mapping[str, Any], next_day: bool
) -> None:
    other = msgspec.structs.replace(Delivery("mail", (), NOON, NOON), **fields)
    morning = NOW + DAY + 7 * HOUR
    assert due_at(shown(), MAIL, [other], POLICY) == (morning if next_day else NOON)
    assert due_at(shown(), HOOK, [other], POLICY) == NOON


def test_an_app_is_told_at_once_and_of_everything() -> None:
    night = NOW + 2 * HOUR
    box = Box(HOOK, policy=msgspec.structs.replace(POLICY, digest=1))
    box.plan(shown(result("fees"), result("rent"), now=night))
    (one,) = box.deliveries.values()
    assert (one.at, named(one.items)) == (night, ["fees", "rent"])


def test_old_deliveries_go_when_nothing_that_they_told_can_come_back() -> None:
    box = Box(HOOK)
    box.plan(shown(result("fees")))
    (first,) = box.deliveries
    box.end(first, DeliveryState.DELIVERED, NOON)
    later = NOON + (KEPT_DAYS + 1) * DAY
    box.plan(shown(result("fees"), now=later))
    assert set(box.deliveries) == {first}, "it still applies"
    box.plan(shown(now=later - 2 * DAY))
    assert set(box.deliveries) == {first}
    box.plan(shown(now=later))
    assert box.deliveries == {}


def test_a_person_chooses_their_own_quiet_hours() -> None:
    quiet = shown(preferences=Preferences(quiet_hours=QuietHours("11:00", "14:30")))
    assert due_at(quiet, MAIL, (), POLICY) == NOW + 13 * HOUR + HOUR // 2
    assert due_at(shown(), MAIL, (), POLICY) == NOON
    assert due_at(quiet, HOOK, (), POLICY) == NOON


TIMES = st.builds(
    lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}", st.integers(0, 24 * 60 - 1)
)
ZONES = st.sampled_from(
    ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
)


@examples(60, 5_000)
@given(st.integers(0, 40_000 * DAY), ZONES, st.tuples(TIMES, TIMES).filter(lambda t: t[0] != t[1]))
def test_no_moment_after_quiet_hours_is_quiet(at: int, zone: str, hours: tuple[str, str]) -> None:
    quiet = QuietHours(*hours)
    free = after_quiet_hours(at, zone, quiet)
    assert at <= free <= at + DAY + HOUR
    assert after_quiet_hours(free, zone, quiet) == free
    assert after_quiet_hours(at, zone, None) == at


def test_quiet_hours_have_a_beginning_and_another_end() -> None:
    for wrong in ({"from": "08:00", "until": "08:00"}, {"from": "24:00", "until": "08:00"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, QuietHours)
    assert msgspec.json.encode(QuietHours("21:00", "08:00")) == b'{"from":"21:00","until":"08:00"}'


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["plan", "begin", "delivered", "dead"]),
        st.sets(st.sampled_from(sorted(RULES))),
        st.integers(1, 3),
    ),
    max_size=12,
)


@examples(60, 5_000)
@given(STEPS)
def test_nobody_is_told_twice_whatever_happens(
    steps: Sequence[tuple[str, set[str], int]],
) -> None:
    """No two deliveries on a channel say the same about an item, unless it changed in between."""
    box, now = Box(HOOK, MAIL), NOON
    for step, names, number in steps:
        now += HOUR
        waiting = sorted(n for n, d in box.deliveries.items() if d.state is DeliveryState.WAITING)
        if step == "plan" or not waiting:
            box.plan(
                shown(*(result(name, x=Decimal(number * 100)) for name in sorted(names)), now=now)
            )
        elif step == "begin":
            box.begin(waiting[0])
        else:
            box.end(waiting[0], DeliveryState(step), now)
        for channel in (HOOK, MAIL):
            own = [one for one in box.deliveries.values() if one.channel == channel.name]
            open_ = [one for one in own if one.state is DeliveryState.WAITING]
            told = [item for one in open_ for item, _ in one.items]
            assert len(told) == len(set(told)), "an item waits in one delivery only"
            assert all(one.items for one in own)
