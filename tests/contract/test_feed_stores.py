"""Contract of the stores of feeds, checked for every implementation."""

import contextlib
import datetime
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import psycopg
import pytest
from local.servers import PATIENCE
from tests.building import rule
from tests.commands import command
from tests.feed_stores import Kept

from tuppence.adapters.postgres.feeds import Connections, PostgresPeople
from tuppence.bootstrap.database import retain_feeds
from tuppence.bootstrap.feeds import database_feeds
from tuppence.bootstrap.service_stores import result_store, ruleset_store
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.feed.choice import Outcome
from tuppence.feed.items import DAY, Event, EventKind, ItemId, Order, Told
from tuppence.feed.news import Delivery, ToldItem
from tuppence.feed.policy import STANDARD
from tuppence.feed.preferences import Preferences
from tuppence.feel.values import Date
from tuppence.results.packed import Layout, pack
from tuppence.results.result import CustomerResults, Result, State, packed
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.feed_ports import (
    FeedStore,
    Received,
    ShownView,
    View,
    ViewedItem,
    Withdrawal,
    view_id,
)
from tuppence.usecases.record_events import (
    Happened,
    Recorded,
    answer_item,
    record_events,
    see_item,
    undo_answer,
)

NOW = 20_000 * DAY + DAY // 2
ITEM, OTHER = ItemId("fees", 20_000), ItemId("coffee", 19_990)
TOLD = Told(20_000, Decimal("12.5"), {"x": "12.5", "name": '"Café"'})


def seen(item: ItemId, place: int) -> ViewedItem:
    return ViewedItem(item, 2, Decimal(50), Outcome.SHOWN, "bank", place, TOLD)


VIEW = View(20_000, "ruleset", "standard:1", 5, (seen(ITEM, 0), seen(OTHER, 1)))


def name_of(customer: str) -> str:
    return view_id(ShownView(customer, VIEW).content)


def record(store: FeedStore, *happened: Happened, customer: str = "ann") -> Recorded:
    name = name_of(customer)
    named = [one._replace(view=name) for one in happened]
    return record_events(store, customer, {name: VIEW}, named, STANDARD, NOW)


def event(name: str, kind: EventKind, item: ItemId = ITEM, at: int = NOW - 5) -> Happened:
    until = at + DAY if kind is EventKind.SNOOZED else None
    return Happened(name, kind, item, "", at, until)


def test_nothing_is_kept_of_somebody_new(kept: Kept) -> None:
    found = kept.open_store().kept("ann")
    assert (found.states, found.preferences, found.withdrawn) == ({}, Preferences(), frozenset())
    assert not any(kept.data.export("ann").values())
    assert kept.data.erase("ann") == 0


def test_what_a_person_did_is_kept_and_read_back_by_others(kept: Kept) -> None:
    store = kept.open_store()
    done = record(
        store,
        event("e1", EventKind.SEEN),
        event("e2", EventKind.SNOOZED),
        event("e3", EventKind.OPENED, OTHER),
    )
    assert done == Recorded(3, 0, ())
    for other in (store, kept.open_store()):
        states = other.kept("ann").states
        assert set(states) == {ITEM, OTHER}
        state = states[ITEM]
        assert state.seen == (20_000,)
        assert state.answer is not None
        assert (state.answered, state.answer.told) == (EventKind.SNOOZED, TOLD)
        assert states[OTHER].opened == NOW - 5
        assert other.kept("bob").states == {}


def test_an_event_is_kept_once(kept: Kept) -> None:
    store, other = kept.open_store(), kept.open_store()
    assert record(store, event("e1", EventKind.SEEN)).recorded == 1
    assert record(other, event("e1", EventKind.SEEN)).repeated == 1
    (refused,) = record(other, event("e1", EventKind.ACTED)).refused
    assert refused.code == "feed.conflict"
    assert record(other, event("e1", EventKind.SEEN), customer="bob").recorded == 1
    assert len(kept.data.export("ann")["events"]) == 1


def test_changes_of_one_person_happen_one_after_another(kept: Kept) -> None:
    """Several processes send the same events and others at once; none is lost or counted twice."""
    stores = [kept.open_store() for _ in range(3)]
    outcomes: list[Recorded] = []

    def send(store: FeedStore, own: int) -> None:
        for number in range(10):
            both = event(f"same{number}", EventKind.SEEN, at=NOW - number * DAY)
            mine = event(f"own{own}-{number}", EventKind.SEEN, at=NOW - (20 + own) * DAY)
            outcomes.append(record(store, both, mine))

    threads = [threading.Thread(target=send, args=(store, own)) for own, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.recorded for one in outcomes) == 10 + 30
    assert sum(one.repeated for one in outcomes) == 20
    assert not any(one.refused for one in outcomes)
    (state,) = stores[0].kept("ann").states.values()
    assert len(state.seen) == 10 + 3


def test_equal_answers_at_once_are_one_event(kept: Kept) -> None:
    """Devices of one person answer, and see, the same at the same moment, and by the same clock."""
    view, both = (name_of("ann"), VIEW), threading.Barrier(2)
    refused: list[UserError] = []

    def send(store: FeedStore, number: int) -> None:
        both.wait(PATIENCE)
        try:
            for now in range(NOW, NOW + 10):
                kind = EventKind.ACKNOWLEDGED
                answer_item(store, "ann", view, ITEM, kind, STANDARD, now + number)
                see_item(store, "ann", view, OTHER, STANDARD, now + number)
        except UserError as error:
            refused.append(error)

    threads = [
        threading.Thread(target=send, args=(kept.open_store(), number)) for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    kinds = sorted(row["event"]["kind"] for row in kept.data.export("ann")["events"])
    assert kinds == ["acknowledged", "seen"]


def add_event(store: FeedStore, customer: str, at: int, ready: Callable[[], object]) -> None:
    """Add an event that is received at a time; both people have read before either writes."""
    with store.change(customer) as change:
        change.events(["e1"])
        ready()
        one = Event(Order(at, at, f"e{at}"), EventKind.SEEN, ITEM, "view")
        change.add({}, [Received(one, at)], {})


def test_a_new_month_holds_up_nobody(postgresql: Kept) -> None:
    store, both = postgresql.open_store(), threading.Barrier(2)
    done: list[str] = []

    def send(customer: str) -> None:
        add_event(store, customer, NOW, lambda: both.wait(PATIENCE))
        done.append(customer)

    threads = [threading.Thread(target=send, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["ann", "bob"]


def test_a_month_is_made_before_it_begins(postgresql: Kept, database: str) -> None:
    store = postgresql.open_store()
    add_event(store, "ann", NOW + 24 * DAY, lambda: None)  # 28 October
    with psycopg.connect(database) as load:
        load.execute("LOCK TABLE tuppence.customers IN ROW EXCLUSIVE MODE")
        add_event(store, "ann", NOW + 28 * DAY, lambda: None)  # 1 November, during a load
    assert len(postgresql.data.export("ann")["events"]) == 2


def test_old_events_and_views_are_removed_and_answers_stay(
    postgresql: Kept, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year after two people have answered; one of them has answered again since."""
    store = postgresql.open_store()
    record(store, event("e1", EventKind.NOT_HELPFUL))
    record(store, event("e1", EventKind.SEEN), customer="bob")
    now = NOW + 365 * DAY
    monkeypatch.setattr(
        "tuppence.cli.database.today",
        lambda: datetime.date(1970, 1, 1) + datetime.timedelta(now // DAY),
    )
    later = View(20_365, "ruleset", "standard:1", 5, (seen(ITEM, 0),))
    one = Happened("e2", EventKind.SEEN, ITEM, "later", now)
    record_events(store, "ann", {"later": later}, [one], STANDARD, now)
    retain = ("database", "retain", "--database", database, "--months")
    assert "removed: 0 months of events, 0 views" in command(*retain, 13)
    assert "removed: 1 months of events, 2 views" in command(*retain, 6)
    kept = postgresql.data.export("ann")
    assert [row["id"] for row in kept["events"]] == ["e2"]
    assert [row["id"] for row in kept["views"]] == ["later"]
    assert store.kept("ann").states[ITEM].answered is EventKind.NOT_HELPFUL
    assert [one.id for one in store.log()] == ["later"]  # type: ignore[attr-defined]
    again = event("e1", EventKind.NOT_HELPFUL)._replace(view=name_of("ann"))
    (refused,) = record_events(store, "ann", {again.view: VIEW}, [again], STANDARD, now).refused
    assert refused.code == "feed.old", "it cannot be counted twice"


def test_events_that_may_be_sent_again_cannot_be_removed(
    postgresql: Kept, database: str, login: Callable[..., str]
) -> None:
    record(postgresql.open_store(), event("e1", EventKind.SEEN))
    young = datetime.datetime.now(tz=datetime.UTC).date() - datetime.timedelta(91)
    with pytest.raises(UserError, match="kept for at least 92 days"):
        retain_feeds(database, young)
    with pytest.raises(UserError):
        retain_feeds(login("feed_login", "feed"), datetime.date(2024, 1, 1))


def test_a_service_makes_the_months_to_come_when_it_starts(
    database: str, login: Callable[..., str], tmp_path: Path
) -> None:
    now, url = NOW + 24 * DAY, login("feed_login", "feed")
    where = (str(tmp_path / "results.sqlite"), str(tmp_path / "rulesets"))
    database_feeds(url, *where, "", 1, None, PURPOSES, lambda: now).close()
    with psycopg.connect(database) as connection:
        made = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'tuppence.feed_events'::regclass ORDER BY 1"
        ).fetchall()
    assert made == [("tuppence.feed_events_2024_10",), ("tuppence.feed_events_2024_11",)]


@pytest.mark.usefixtures("postgresql")
def test_the_numbers_of_a_database_have_the_day_of_the_night_that_made_them(
    login: Callable[..., str], tmp_path: Path
) -> None:
    ruleset = make_ruleset([rule("true", name="always")])
    rulesets = ruleset_store(str(tmp_path / "rulesets"))
    rulesets.put(ruleset)
    where = str(tmp_path / "results.sqlite")
    results = result_store(where, rulesets)
    always = Result("always", State.QUALIFIED, Decimal(1), {}, 19_990)
    data = pack([packed(always)])
    layout = Layout(ruleset.digest, (("always", ()),))
    results().put([CustomerResults("ann", 19_998, layout, data)])
    with contextlib.closing(Connections(login("reader_login", "feed"), 1)) as connections:
        people = PostgresPeople(connections, results, rulesets, PURPOSES, None)
        found = people.find("ann", Date(20_000))
        assert people.has_rule("always")
        assert not people.has_rule("never")
    assert (found.as_of, found.evaluated) == (Date(20_000), Date(19_998))


def test_a_change_that_fails_leaves_nothing(kept: Kept) -> None:
    store = kept.open_store()

    def fail() -> None:
        with store.change("ann") as change:
            change.prefer(Preferences(["tip"]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.kept("ann").preferences == Preferences()
    assert record(store, event("e1", EventKind.SEEN)).recorded == 1


def test_an_answer_is_undone(kept: Kept) -> None:
    store = kept.open_store()
    record(store, event("e1", EventKind.NOT_HELPFUL))
    undo_answer(store, "ann", ITEM, STANDARD, NOW)
    undo_answer(store, "ann", ITEM, STANDARD, NOW + 1)
    undo_answer(store, "ann", OTHER, STANDARD, NOW)
    assert store.kept("ann").states[ITEM].answered is None
    assert len(kept.data.export("ann")["events"]) == 2


def test_choices_are_replaced(kept: Kept) -> None:
    store = kept.open_store()
    for chosen in (Preferences(["tip"], ["bank"], "cs_CZ", "Europe/Prague"), Preferences()):
        with store.change("ann") as change:
            change.prefer(chosen)
        assert kept.open_store().kept("ann").preferences == chosen


def test_a_withdrawal_is_seen_at_once_by_every_process(kept: Kept) -> None:
    store, other = kept.open_store(), kept.open_store()
    one = Withdrawal("fees", True, "desk", "wrong", NOW)
    two = Withdrawal("coffee", True, "desk", "wrong", NOW)
    back = Withdrawal("fees", False, "desk", "mended", NOW + 1)
    for withdrawal, expected in ((one, {"fees"}), (two, {"fees", "coffee"}), (back, {"coffee"})):
        store.withdraw(withdrawal)
        assert other.kept("ann").withdrawn == expected
    assert list(other.withdrawals()) == [one, two, back]


def test_all_that_is_kept_of_a_person_is_exported_and_erased(kept: Kept) -> None:
    store = kept.open_store()
    for customer in ("ann", "bob"):
        record(store, event("e1", EventKind.ACKNOWLEDGED), customer=customer)
        with store.change(customer) as change:
            change.prefer(Preferences(["tip"]))
    found = kept.data.export("ann")
    assert {name: len(rows) for name, rows in found.items() if rows} == {
        "events": 1,
        "views": 1,
        "states": 1,
        "preferences": 1,
    }
    (event_row,), (view_row,) = found["events"], found["views"]
    assert event_row["event"]["kind"] == "acknowledged"
    assert view_row["view"]["candidates"][0]["told"]["values"]["name"] == '"Café"'
    before = kept.data.export("bob")
    assert kept.data.erase("ann") == 4
    assert not any(kept.data.export("ann").values())
    assert store.kept("ann").states == {}
    assert kept.data.export("bob") == before
    assert kept.data.erase("ann") == 0


def test_no_row_names_somebody_who_was_erased(kept: Kept) -> None:
    """Found by reading every row of the store, whatever exports and erasures know of."""
    store, outbox = kept.open_store(), kept.open_outbox()
    told = Delivery("mail", (ToldItem(ITEM, TOLD),), NOW, NOW)
    for customer in ("ann", "bob"):
        record(store, event("e1", EventKind.ACKNOWLEDGED), customer=customer)
        with store.change(customer) as change:
            change.prefer(Preferences(["tip"]))
        with outbox.change(customer) as sending:
            sending.write({f"dlv_{customer}": told}, ())

    def rows(customer: str) -> list[str]:
        return [row for row in kept.rows() if re.search(rf"\b{customer}\b", row)]

    theirs = rows("bob")
    assert len(rows("ann")) == len(theirs) >= 5
    kept.data.erase("ann")
    assert rows("ann") == []
    assert rows("bob") == theirs


def test_nothing_is_kept_of_somebody_who_was_erased(kept: Kept) -> None:
    store = kept.open_store()
    record(store, event("e1", EventKind.SEEN))
    kept.remove("ann")
    with pytest.raises(UserError, match="there is no customer ann"):
        record(store, event("e2", EventKind.SEEN))
    with pytest.raises(UserError, match="there is no customer"):
        undo_answer(store, "eve", ITEM, STANDARD, NOW)


def test_the_log_has_every_view_with_what_was_opened(kept: Kept) -> None:
    store = kept.open_store()
    assert [*kept.log().log()] == []
    record(store, event("e1", EventKind.SEEN), event("e2", EventKind.OPENED, OTHER))
    record(store, event("e1", EventKind.ACKNOWLEDGED), customer="bob")
    record(store, event("e2", EventKind.ACTED), customer="bob")
    found = {one.customer: one for one in kept.log().log()}
    assert [*found] == ["ann", "bob"]
    assert {name: one.clicked for name, one in found.items()} == {"ann": {OTHER}, "bob": {ITEM}}
    assert all(one.view == VIEW for one in found.values())


def test_a_log_of_some_nights_leaves_out_what_was_before(kept: Kept) -> None:
    store = kept.open_store()
    for night in (20_000, 20_001, 20_003):
        view = msgspec.structs.replace(VIEW, night=night)
        name = view_id(ShownView("ann", view).content)
        opened = event(f"e{night}", EventKind.OPENED)._replace(view=name)
        now = NOW + (night - 20_000) * DAY
        record_events(store, "ann", {name: view}, [opened], STANDARD, now)

    def nights(count: int | None) -> list[int]:
        found = list(kept.log().log(count))
        assert all(one.clicked == {ITEM} for one in found)
        return sorted(one.view.night for one in found)

    everything = [20_000, 20_001, 20_003]
    assert nights(None) == nights(9) == everything
    assert [nights(count) for count in (1, 2, 3)] == [[20_003], [20_003], [20_001, 20_003]]
