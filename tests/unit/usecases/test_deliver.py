"""Deliveries of what is new: planned once, made once, and never more than the feed says."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.feeds import NOW, TODAY, Desk, desk

from tuppence.errors import UserError
from tuppence.feed.items import DAY
from tuppence.feed.news import ChannelRule, DeliveryState
from tuppence.feed.preferences import Channel as ChannelName
from tuppence.feed.preferences import Preferences
from tuppence.results.result import Result, State
from tuppence.usecases.deliver import (
    FAILURES,
    LEASE,
    Delivered,
    DeliveryDependencies,
    Retry,
    deliver,
    given_up,
    redrive,
)
from tuppence.usecases.delivery_ports import DeliveryError, Letter
from tuppence.usecases.feed_ports import Withdrawal

RETRY = Retry(attempts=3, first=1_000, longest=10_000, jitter=0.5)
HOUR = 3_600_000


class Recorder:
    """A channel that keeps what it was sent, and fails as told."""

    def __init__(self, name: str, *, personal: bool) -> None:
        self.rule = ChannelRule(name, personal)
        self.letters: list[Letter] = []
        self.fail: Callable[[Letter], None] = lambda _: None

    def send(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.fail(letter)

    def told(self) -> list[tuple[str, list[str]]]:
        return [
            (one.customer, [item.candidate.rule.id for item in one.items]) for one in self.letters
        ]


class Office:
    """The people and the store of a desk, with channels that a test watches."""

    def __init__(self, at: Desk) -> None:
        self.desk = at
        self.hook = Recorder("webhook.app", personal=False)
        self.mail = Recorder("mail", personal=True)
        self.slept: list[float] = []
        ids = itertools.count()
        self.deps = DeliveryDependencies(
            at.people,
            at.outbox,
            {"webhook.app": self.hook, "mail": self.mail},
            at.deps.policy,
            RETRY,
            at.clock,
            lambda: 0.5,
            lambda: f"dlv_{next(ids)}",
            threads=1,
        )

    def run(self, patience: int = 0) -> Delivered:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.desk.clock.now += round(seconds * 1_000)

        return deliver(self.deps, patience, sleep)

    def choose(self, customer: str, *channels: ChannelName, **others: Any) -> None:
        with self.desk.store.change(customer) as change:
            change.prefer(Preferences(channels_on=[*channels], **others))

    def qualify(self, customer: str, *names: str, x: int = 9) -> None:
        values = {"x": Decimal(x), "d": TODAY}
        self.desk.people.results[customer] = [
            Result(name, State.QUALIFIED, Decimal(50), dict(values), TODAY - 1) for name in names
        ]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with desk(tmp_path) as running:
        office = Office(running)
        office.qualify("ann", "coffee")
        office.qualify("bob", "energy")
        yield office


def test_an_app_is_told_of_everybody_once(office: Office) -> None:
    assert office.run() == Delivered(2, 2, 0, [], [])
    assert office.hook.told() == [("ann", ["coffee"]), ("bob", ["energy"])]
    assert office.mail.told() == [], "nobody has switched it on"
    assert office.run() == Delivered(0, 0, 0, [], [])
    assert len({one.id for one in office.hook.letters}) == 2


def test_a_person_is_told_on_the_channel_that_they_switched_on(office: Office) -> None:
    office.choose("ann", "mail")
    office.run()
    (letter,) = office.mail.letters
    assert (letter.customer, letter.address) == ("ann", "ann@example.org")
    assert letter.items[0].message.title == "Coffee"


def test_without_a_consent_nobody_is_told_anything(office: Office) -> None:
    office.choose("ann", "mail")
    office.desk.people.frozen = "no consent"
    assert office.run() == Delivered(0, 0, 0, [], [])


def test_a_failed_attempt_is_repeated_under_the_same_name_after_growing_pauses(
    office: Office,
) -> None:
    office.qualify("bob")

    def fail(_: Letter) -> None:
        if len(office.hook.letters) < 3:
            raise DeliveryError("it answered 503")

    office.hook.fail = fail
    done = office.run(patience=DAY)
    assert (done.delivered, done.failed, done.given_up) == (1, 2, [])
    assert office.slept == [0.75, 3.0], "a quarter of each pause is taken away by chance"
    assert len({one.id for one in office.hook.letters}) == 1
    assert len({one.now for one in office.hook.letters}) == 3
    assert len({one.made for one in office.hook.letters}) == 1


def test_what_fails_later_than_patience_is_left_to_the_next_call(office: Office) -> None:
    office.hook.fail = lambda _: (_ for _ in ()).throw(DeliveryError("it answered 503"))
    assert office.run(patience=100).failed == 2
    assert office.slept == []
    office.hook.fail = lambda _: None
    assert office.run().delivered == 0, "it is not due yet"
    office.desk.clock.now += 751
    assert office.run() == Delivered(0, 2, 0, [], [])


def refuse(_: Letter) -> None:
    raise DeliveryError("it answered 410", final=True)


def test_what_was_given_up_is_named_with_its_reason_and_replayed(office: Office) -> None:
    office.qualify("bob")
    office.hook.fail = refuse
    (dead,) = office.run().given_up
    assert (dead.id, dead.channel, dead.at) == (office.hook.letters[0].id, "webhook.app", NOW)
    assert list(given_up(office.desk.outbox, 9)) == [dead]
    assert dead.reason == "it answered 410"
    assert office.run() == Delivered(0, 0, 0, [], [])
    office.hook.fail = lambda _: None
    assert redrive(office.desk.outbox, NOW) == 1
    assert office.run().delivered == 1
    assert given_up(office.desk.outbox, 9) == []
    assert redrive(office.desk.outbox, NOW) == 0


def test_attempts_end(office: Office) -> None:
    office.qualify("bob")
    office.hook.fail = lambda _: (_ for _ in ()).throw(DeliveryError("it answered 500"))
    done = office.run(patience=DAY)
    assert len(office.hook.letters) == RETRY.attempts
    assert [one.reason for one in done.given_up] == ["it answered 500"]


def test_what_waits_for_an_attempt_says_no_more_than_the_feed(office: Office) -> None:
    """A rule is withdrawn, an item is answered, or a number changes, while a delivery waits."""
    office.qualify("bob")
    office.qualify("ann", "coffee", "energy")
    office.hook.fail = lambda _: (_ for _ in ()).throw(DeliveryError("it answered 503"))
    office.run()
    office.hook.fail = lambda _: None
    office.desk.store.withdraw(Withdrawal("coffee", True, "desk", "wrong", NOW))
    office.desk.clock.now += HOUR
    office.run()
    assert office.hook.told() == [("ann", ["coffee", "energy"]), ("ann", ["energy"])]
    assert len({one.id for one in office.hook.letters}) == 1, "it may have arrived"


def test_a_delivery_about_nothing_any_more_is_not_made(office: Office) -> None:
    office.qualify("bob")
    office.hook.fail = lambda _: (_ for _ in ()).throw(DeliveryError("it answered 503"))
    office.run()
    office.qualify("ann")
    office.desk.clock.now += HOUR
    assert office.run() == Delivered(0, 0, 0, [], [])
    assert len(office.hook.letters) == 1
    assert office.desk.outbox.read("ann")[1] == {}


def test_quiet_hours_put_off_what_reaches_a_person_and_not_what_reaches_an_app(
    office: Office,
) -> None:
    office.choose("ann", "mail")
    office.desk.clock.now = NOW + 13 * HOUR  # 23:00 in London, in summer
    office.run()
    assert len(office.hook.letters) == 2
    assert office.mail.letters == []
    office.desk.clock.now = NOW + 22 * HOUR
    office.run()
    (letter,) = office.mail.letters
    assert letter.now == NOW + 22 * HOUR


def test_a_retry_in_quiet_hours_waits_for_their_end(office: Office) -> None:
    office.qualify("bob")
    office.choose("ann", "mail")
    office.mail.fail = lambda _: (_ for _ in ()).throw(DeliveryError("busy"))
    office.run()
    office.mail.fail = lambda _: None
    office.desk.clock.now = NOW + 13 * HOUR
    office.run()
    assert len(office.mail.letters) == 1
    assert office.desk.outbox.next_due(["mail"]) == NOW + 22 * HOUR
    office.desk.clock.now = NOW + 22 * HOUR
    assert office.run().delivered == 1


def test_a_retry_waits_for_the_day_after_the_one_on_which_another_digest_arrived(
    office: Office,
) -> None:
    """The first digest fails and waits; meanwhile another arrives with what came later."""
    office.qualify("bob")
    office.choose("ann", "mail")
    office.mail.fail = lambda _: (_ for _ in ()).throw(DeliveryError("busy"))
    office.run()
    office.mail.fail = lambda _: None
    office.qualify("ann", "coffee", "energy")
    office.desk.clock.now += 100
    assert [who for who, _ in office.mail.told()] == ["ann"]
    office.run()
    assert office.mail.told()[1:] == [("ann", ["energy"])]
    office.desk.clock.now += HOUR
    office.run()
    assert len(office.mail.letters) == 2, "one a day"
    morning = NOW + 22 * HOUR
    assert office.desk.outbox.next_due(["mail"]) == morning
    office.desk.clock.now = morning
    office.run()
    assert office.mail.told()[2:] == [("ann", ["coffee"])]
    assert office.mail.letters[2].id == office.mail.letters[0].id


def test_what_is_replayed_arrives_on_one_day_after_another(office: Office) -> None:
    office.qualify("bob")
    office.choose("ann", "mail")
    office.mail.fail = refuse
    for number, names in enumerate((["coffee"], ["coffee", "energy"])):
        office.desk.clock.now = NOW + number * DAY
        office.qualify("ann", *names)
        office.run()
    office.mail.fail = lambda _: None
    office.mail.letters.clear()
    redrive(office.desk.outbox, office.desk.clock.now)
    for number, count in ((0, 1), (1, 1), (22, 2)):
        office.desk.clock.now = NOW + DAY + number * HOUR
        office.run()
        assert len(office.mail.letters) == count
    assert [told for _, told in office.mail.told()] == [["coffee"], ["energy"]]


def test_a_call_that_overlaps_does_not_forget_what_is_being_sent(office: Office) -> None:
    """The person answers the item while its mail is on the way, and another call plans."""
    office.qualify("bob")
    office.choose("ann", "mail")
    overlapping = list[Delivered]()

    def overlap(_: Letter) -> None:
        office.mail.fail = lambda _: None
        office.qualify("ann")
        overlapping.append(office.run())

    office.mail.fail = overlap
    done = office.run()
    assert overlapping == [Delivered(0, 0, 0, [], [])]
    assert done.delivered == 2
    (letter,) = office.mail.letters
    assert office.desk.outbox.recipient(letter.id) == ("ann", "mail"), "its link stops the mails"
    kept = office.desk.outbox.read("ann")[1][letter.id]
    assert (kept.state, kept.sending, len(kept.items)) == (DeliveryState.DELIVERED, False, 1)
    office.qualify("ann", "energy")
    office.run()
    assert len(office.mail.letters) == 1, "one a day"


def test_an_attempt_that_was_killed_is_repeated_under_the_same_name(office: Office) -> None:
    office.qualify("bob")

    def die(_: Letter) -> None:
        raise KeyboardInterrupt

    office.hook.fail = die
    with pytest.raises(KeyboardInterrupt):
        office.run()
    office.hook.fail = lambda _: None
    assert office.run().delivered == 0, "the attempt may still be going on in another process"
    office.desk.clock.now += LEASE
    assert office.run().delivered == 1
    first, second = office.hook.letters
    assert first.id == second.id


def test_nobody_is_told_of_somebody_who_was_erased_meanwhile(office: Office) -> None:
    office.qualify("bob")

    def erase(_: Letter) -> None:
        del office.desk.people.results["ann"]

    office.hook.fail = erase
    assert office.run() == Delivered(1, 0, 0, [], [])
    office.desk.clock.now += LEASE
    assert office.run() == Delivered(0, 0, 0, [], [])
    assert len(office.hook.letters) == 1
    assert office.desk.outbox.next_due(["webhook.app"]) is None


def test_a_channel_that_only_fails_is_left_alone_and_others_go_on(office: Office) -> None:
    for number in range(FAILURES + 5):
        office.qualify(f"c{number:02}", "coffee")
    office.choose("ann", "mail")
    office.hook.fail = lambda _: (_ for _ in ()).throw(DeliveryError("it answered 503"))
    done = office.run(patience=DAY)
    assert done.stopped == ["webhook.app"]
    assert done.delivered == 1, "the mail"
    waiting = office.desk.outbox.read("c00")[1].values()
    assert [one.state for one in waiting] == [DeliveryState.WAITING]


def test_people_without_an_address_stop_no_channel(office: Office) -> None:
    for number in range(FAILURES + 5):
        office.qualify(f"c{number:02}", "coffee")

    def refuse(letter: Letter) -> None:
        if letter.customer != "ann":
            raise DeliveryError("the person has no address", final=True, about_person=True)

    office.hook.fail = refuse
    done = office.run()
    assert (done.delivered, done.stopped) == (1, [])


def test_results_that_cannot_be_read_end_the_call_and_lose_nothing(office: Office) -> None:
    find = office.desk.people.find

    def unavailable(*_: Any) -> Any:
        raise UserError("results.unavailable", "the table cannot be reached")

    office.desk.people.find = unavailable  # type: ignore[assignment,method-assign]
    with pytest.raises(UserError, match="cannot be reached"):
        office.run()
    office.desk.people.find = find  # type: ignore[method-assign]
    assert office.run().delivered == 2


def test_pauses_grow_up_to_the_longest() -> None:
    retry = Retry(10, 5_000, 60_000, 0.25)
    assert [retry.pause(n, 0) for n in (1, 2, 3, 4)] == [5_000, 20_000, 60_000, 60_000]
    assert retry.pause(1, 1) == 3_750


def test_a_mail_is_stopped_by_a_post_alone(office: Office) -> None:
    office.choose("ann", "mail")
    office.run()
    (letter,) = office.mail.letters
    client, path = office.desk.client, f"/v1/unsubscriptions/{letter.id}"
    question = client.get(path)
    assert question.status_code == 200
    assert "<button>" in question.text
    assert office.desk.store.kept("ann").preferences.channels_on == ["mail"]
    stopped = client.post(path, content="List-Unsubscribe=One-Click")
    assert (stopped.status_code, stopped.headers["cache-control"]) == (200, "no-store")
    assert office.desk.store.kept("ann").preferences.channels_on == []
    unknown = client.post("/v1/unsubscriptions/dlv_other")
    assert unknown.status_code == 404
    for answer in (question, stopped, unknown):
        assert "ann" not in answer.text


def test_the_choice_of_channels_is_kept_by_the_service(office: Office) -> None:
    body = {"channels_on": ["mail"], "quiet_hours": {"from": "20:00", "until": "09:00"}}
    assert office.desk.call("PUT", "/v1/preferences", body).json() == body
    assert office.desk.call("GET", "/v1/preferences").json() == body
    for wrong in ({"channels_on": ["fax"]}, {"quiet_hours": {"from": "9", "until": "10:00"}}):
        assert office.desk.call("PUT", "/v1/preferences", wrong).status_code == 400


def test_logs_name_deliveries_and_no_person(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.choose("ann", "mail")
    office.mail.fail = refuse
    with caplog.at_level("INFO"), contextlib.suppress(UserError):
        office.run()
    lines = [str(vars(record)) for record in caplog.records if "delivery" in vars(record)]
    assert len(lines) == 3
    assert not any("ann" in line.replace("channel", "") or "example" in line for line in lines)
