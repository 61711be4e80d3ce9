"""The feed as a service: what an app's requests get."""

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from local.servers import PATIENCE
from starlette.testclient import TestClient
from tests.feeds import KEYS, NOW, TODAY, Desk, asked_of, desk, standard, urgent
from tests.serving import log_lines
from tests.waiting import wait_until

from tuppence.errors import RETRYABLE, UserError
from tuppence.feed.items import DAY
from tuppence.feel.values import Date
from tuppence.relevance.scorecard import PRIOR
from tuppence.results.result import Result
from tuppence.rules.rule import Action, FeedSettings
from tuppence.services.feed import app, together
from tuppence.services.feed.tokens import (
    AUDIENCE,
    Keys,
    Verified,
    add_key,
    customer_of,
    customer_token,
    read_keys,
    signed_view,
)
from tuppence.services.problems import problem_of, problem_response
from tuppence.usecases.build_feed import Feed, FeedRequest, build_feeds
from tuppence.usecases.feed_ports import Known, View, Withdrawal
from tuppence.usecases.order_feed import KnownRulesets, Model

DIAGNOSTICS = Path(__file__).parents[3] / "docs" / "reference" / "diagnostics.md"
NO_VIEW = View(TODAY, "ruleset", "standard:1", 3, ())
FEES, SAVINGS, COFFEE, ENERGY = "£12.50 in fees", "Savings", "Coffee", "Energy"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as found:
        yield found


def time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat()


def event(
    feed: dict[str, Any], place: int, kind: str, at: int = NOW, **more: Any
) -> dict[str, Any]:
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {place} {at}")
    item, view = feed["items"][place]["id"], feed["view"]["id"]
    return {"id": str(name), "kind": kind, "item": item, "view": view, "at": time(at), **more}


def send(running: Desk, feed: dict[str, Any], *events: Any, **more: Any) -> dict[str, Any]:
    body = {"events": events, "receipts": [feed["view"]["receipt"]], **more}
    answer = running.call("POST", "/v1/feed/events", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def put(running: Desk, feed: dict[str, Any], place: int, state: str, **more: Any) -> Any:
    path = f"/v1/feed/items/{feed['items'][place]['id']}/state"
    body = {"state": state, "receipt": feed["view"]["receipt"], **more}
    return running.call("PUT", path, body)


def rows(tmp_path: Path) -> list[tuple[Any, ...]]:
    """Return all rows of all tables."""
    names = asked_of(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return [row for (name,) in names for row in asked_of(tmp_path, f"SELECT * FROM {name}")]


# -- reading --------------------------------------------------------------------------------------


def test_a_feed_has_items_as_an_app_shows_them(running: Desk) -> None:
    feed = running.feed()
    first, last = feed["items"][0], feed["items"][-1]
    assert [one["title"] for one in feed["items"]] == [FEES, COFFEE, ENERGY]
    assert (feed["as_of"], feed["frozen"], feed["count"]) == ("2024-10-04", "", 3)
    assert feed["next"] is None
    assert first["id"] == "fees.2024-10-03"
    assert first["text"] == "Since 1 October 2024."
    assert first["values"] == {"x": 12.5, "d": "2024-10-01"}
    assert (first["kind"], first["topic"], first["urgent"]) == ("insight", "bank", False)
    assert (first["since"], first["expires"]) == ("2024-10-03", "2024-10-17")
    assert first["explanation"] == "/v1/feed/items/fees.2024-10-03/explanation"
    assert last["expires"] == "2024-11-02"


def test_the_day_of_the_numbers_is_that_of_the_night_that_made_them(
    running: Desk, tmp_path: Path
) -> None:
    running.people.evaluated = TODAY - 1
    feed = running.feed()
    assert (feed["as_of"], feed["items"][0]["as_of"]) == ("2024-10-04", "2024-10-03")
    send(running, feed, event(feed, 0, "seen"))
    ((content,),) = asked_of(tmp_path, "SELECT view FROM views")
    assert json.loads(content)["candidates"][0]["told"]["as_of"] == TODAY - 1
    running.people.day = TODAY + 13
    assert [one["title"] for one in running.feed()["items"]] == [ENERGY], "today decides the end"


def test_a_promotion_has_its_approval_and_its_terms(running: Desk) -> None:
    running.people.results["ann"] = running.people.results["ann"][:2]
    (_, offer) = running.feed()["items"]
    assert offer["communication"] == "financial promotion"
    assert offer["approval"] == {
        "by": "Firm", "date": "2020-01-01", "reference": "FP-1", "until": None,
    }  # fmt: skip
    assert offer["offer"] == {"partner": "Fernhill", "terms": "The rate may fall."}


def test_an_item_leads_where_its_rule_says(running: Desk) -> None:
    action = Action("See the fees", "https://app.example.org/fees")
    fees = msgspec.structs.replace(running.people.rules["fees"], feed=FeedSettings(action=action))
    running.people.rules = {**running.people.rules, "fees": fees}
    first, second = running.feed()["items"][:2]
    assert first["action"] == {"label": "See the fees", "link": "https://app.example.org/fees"}
    assert second["action"] is None


def test_money_and_dates_are_in_the_locale_of_the_person_or_of_the_request(running: Desk) -> None:
    assert running.feed(query="?locale=de_DE")["items"][0]["title"] == "12,50\xa0£ in fees"
    assert running.call("PUT", "/v1/preferences", {"locale": "cs_CZ"}).status_code == 200
    assert running.feed()["items"][0]["text"] == "Since 1. října 2024."
    answer = running.call("GET", "/v1/feed?locale=xx_XX")
    assert (answer.status_code, answer.json()["code"]) == (400, "message.locale")


def test_reading_changes_nothing(running: Desk, tmp_path: Path) -> None:
    before = running.feed()
    for path in ("/v1/feed", "/v1/feed/count", "/v1/feed/hidden", "/v1/preferences"):
        assert running.call("GET", path).status_code == 200
    item = before["items"][0]["id"]
    assert running.call("GET", f"/v1/feed/items/{item}/explanation").status_code == 200
    assert running.feed() == before
    assert rows(tmp_path) == []


def test_a_feed_is_sent_again_only_if_it_has_changed(running: Desk) -> None:
    first = running.call("GET", "/v1/feed")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = running.call("GET", "/v1/feed", **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert put(running, running.feed(), 0, "acknowledged").status_code == 204
    changed = running.call("GET", "/v1/feed", **{"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_the_tag_of_a_feed_changes_with_whatever_its_answer_depends_on(running: Desk) -> None:
    """Every change of an answer comes with another tag: otherwise an app would keep the old one."""

    def answer(query: str = "") -> tuple[str, bytes]:
        done = running.call("GET", f"/v1/feed{query}")
        assert done.status_code == 200
        return done.headers["etag"], done.content

    def moved(change: Callable[[], object]) -> None:
        before = answer()
        change()
        after = answer()
        assert before[0] != after[0]
        assert before[1] != after[1]

    def snooze() -> None:
        until = time(running.clock.now + 3_600_000)
        assert put(running, running.feed(), 0, "snoozed", until=until).status_code == 204

    def set_results(*results: Result) -> None:
        running.people.results["ann"] = [*results]

    first = answer()
    assert answer() == first
    assert len({answer(query)[0] for query in ("", "?limit=1", "?locale=de_DE")}) == 3
    moved(snooze)
    moved(lambda: setattr(running.clock, "now", running.clock.now + 3_600_000))
    moved(lambda: put(running, running.feed(), 0, "not_helpful"))
    moved(lambda: setattr(running.clock, "now", running.clock.now + 61 * DAY))
    moved(lambda: running.store.withdraw(Withdrawal("coffee", True, "desk", "wrong", NOW)))
    moved(lambda: running.call("PUT", "/v1/preferences", {"kinds_off": ["offer"]}))
    moved(lambda: running.call("PUT", "/v1/preferences", {"locale": "cs_CZ"}))
    moved(lambda: set_results(*standard()[:1]))
    moved(lambda: setattr(running.people, "day", TODAY + 1))
    moved(lambda: setattr(running.people, "frozen", "no consent"))


def test_a_feed_that_nothing_has_changed_is_built_once(
    running: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = list[str]()

    def build(requests: Sequence[FeedRequest], known: KnownRulesets) -> Sequence[Feed | UserError]:
        built.extend(one.person.customer for one in requests)
        return build_feeds(requests, known)

    monkeypatch.setattr(together, "build_feeds", build)
    first = running.call("GET", "/v1/feed")
    again = running.call("GET", "/v1/feed")
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert running.feed("bob")["items"] == first.json()["items"]
    assert built == ["ann", "bob"]
    running.clock.now += together.KEPT_MILLISECONDS  # on the same day
    assert running.call("GET", "/v1/feed").content == first.content
    assert built == ["ann", "bob", "ann"]


def test_answers_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "MAX_KEPT", 2)
    kept = together.KeptAnswers()
    for number, name in enumerate(("ann", "bob", "cleo")):
        kept.put(name, "tag", NOW + number, name.encode())
    assert [kept.get(name, "tag", NOW) for name in ("ann", "bob", "cleo")] == [
        None, b"bob", b"cleo",
    ]  # fmt: skip
    assert kept.get("cleo", "other", NOW) is None


def test_a_feed_that_cannot_be_read_in_time_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ANSWER_SECONDS", 0.05)
    released = threading.Event()
    running = Desk(tmp_path)

    def read(customers: Sequence[str], today: Date) -> Sequence[Known | UserError]:
        released.wait(PATIENCE)
        return running.deps.read(customers, today)

    slow = app.feed_app(running.deps._replace(read=read), KEYS, {}, 16)
    with TestClient(slow) as client:
        late = client.get("/v1/feed", headers=running.headers())
        released.set()
    assert (late.status_code, late.json()["code"]) == (504, "service.timeout")


def test_pages_neither_repeat_nor_miss_an_item_when_one_is_dismissed_between_them(
    running: Desk,
) -> None:
    first = running.feed(query="?limit=1")
    assert [one["title"] for one in first["items"]] == [FEES]
    assert first["count"] == 3
    assert put(running, first, 0, "acknowledged").status_code == 204
    second = running.feed(query=f"?limit=1&cursor={first['next']}")
    third = running.feed(query=f"?limit=5&cursor={second['next']}")
    assert [one["title"] for one in second["items"] + third["items"]] == [COFFEE, ENERGY, SAVINGS]
    assert third["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=1~1~A", "cursor="]
)
def test_malformed_pages_are_refused(running: Desk, query: str) -> None:
    answer = running.call("GET", f"/v1/feed?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.query")


def test_items_are_counted_and_unseen_ones_apart(running: Desk) -> None:
    assert running.call("GET", "/v1/feed/count").json() == {"count": 3, "unseen": 3}
    feed = running.feed()
    send(running, feed, event(feed, 0, "seen"))
    assert running.call("GET", "/v1/feed/count").json() == {"count": 3, "unseen": 2}


def test_an_explanation_says_why_an_item_is_shown_or_not(running: Desk) -> None:
    path = "/v1/feed/items/{}.2024-10-03/explanation"
    shown = running.call("GET", path.format("fees")).json()
    assert (shown["outcome"], shown["place"], shown["tier"]) == ("shown", 0, 2)
    assert shown["result"]["rule_id"] == "fees"
    hidden = running.call("GET", path.format("savings")).json()
    assert (hidden["outcome"], hidden["place"]) == ("no_place", None)
    for item in ("other", "fees.2024-10-04", "fees.x"):
        answer = running.call("GET", f"/v1/feed/items/{item}/explanation")
        assert (answer.status_code, answer.json()["code"]) == (404, "feed.unknown-item")


def test_a_customer_without_a_consent_has_an_empty_feed_with_the_reason(running: Desk) -> None:
    running.people.frozen = "frozen on 2024-10-01: no consent"
    feed = running.feed()
    assert (feed["items"], feed["count"]) == ([], 0)
    assert feed["frozen"] == "frozen on 2024-10-01: no consent"


# -- answers --------------------------------------------------------------------------------------


def test_an_acknowledged_item_gives_way_and_returns_when_it_is_undone(running: Desk) -> None:
    feed = running.feed()
    assert put(running, feed, 0, "acknowledged").status_code == 204
    assert running.titles() == [COFFEE, ENERGY, SAVINGS]
    (hidden,) = running.call("GET", "/v1/feed/hidden").json()["items"]
    assert (hidden["id"], hidden["reason"]) == (feed["items"][0]["id"], "acknowledged")
    assert hidden["answered"] == hidden["id"]
    path = f"/v1/feed/items/{feed['items'][0]['id']}/state"
    assert running.call("DELETE", path).status_code == 204
    assert running.titles() == [FEES, COFFEE, ENERGY]
    assert running.call("DELETE", path).status_code == 204
    assert running.titles("bob") == [FEES, COFFEE, ENERGY]


def test_an_acknowledgement_covers_the_numbers_of_the_view_that_was_seen(running: Desk) -> None:
    feed = running.feed()
    results = running.people.results["ann"]
    results[0] = msgspec.structs.replace(results[0], values={**results[0].values, "x": Decimal(25)})
    assert put(running, feed, 0, "acknowledged").status_code == 204
    assert running.titles()[0] == "£25 in fees", "the person acknowledged another amount"
    running.clock.now += 1  # of two answers at one moment, the names of their events decide
    assert put(running, running.feed(), 0, "acknowledged").status_code == 204
    assert running.titles()[0] == COFFEE


def test_the_same_answer_twice_is_one_event(running: Desk, tmp_path: Path) -> None:
    feed = running.feed()
    put(running, feed, 0, "not_helpful")
    before = rows(tmp_path)
    running.clock.now += 1_000
    assert put(running, feed, 0, "not_helpful").status_code == 204
    assert rows(tmp_path) == before


def test_a_snoozed_item_is_away_until_its_time(running: Desk) -> None:
    feed = running.feed()
    until = NOW + 2 * DAY
    assert put(running, feed, 0, "snoozed", until=time(until)).status_code == 204
    assert FEES not in running.titles()
    (hidden,) = running.call("GET", "/v1/feed/hidden").json()["items"]
    assert datetime.fromisoformat(hidden["until"]) == datetime.fromtimestamp(until / 1_000, UTC)
    running.clock.now = until
    assert FEES in running.titles()


@pytest.mark.parametrize("until", [None, NOW, NOW - 1, NOW + 91 * DAY])
def test_a_snooze_needs_an_end_that_is_not_too_far_away(running: Desk, until: int | None) -> None:
    more = {} if until is None else {"until": time(until)}
    answer = put(running, running.feed(), 0, "snoozed", **more)
    assert (answer.status_code, answer.json()["code"]) == (400, "feed.until")


def test_only_what_a_view_has_shown_can_be_answered(running: Desk) -> None:
    feed = running.feed()
    body = {"state": "acknowledged", "receipt": feed["view"]["receipt"]}
    answer = running.call("PUT", "/v1/feed/items/savings.2024-10-03/state", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "feed.not-shown")


# -- events ---------------------------------------------------------------------------------------


def test_events_count_once_however_often_they_are_sent(running: Desk, tmp_path: Path) -> None:
    feed = running.feed()
    events = [event(feed, 0, "seen"), event(feed, 0, "opened", NOW + 5), event(feed, 1, "seen")]
    assert send(running, feed, *events) == {"recorded": 3, "repeated": 0, "refused": []}
    before = rows(tmp_path)
    assert send(running, feed, *events[::-1]) == {"recorded": 0, "repeated": 3, "refused": []}
    assert send(running, feed, events[0], events[0])["repeated"] == 2
    assert rows(tmp_path) == before


def test_an_id_with_another_body_is_refused_and_the_others_are_recorded(running: Desk) -> None:
    feed = running.feed()
    one = event(feed, 0, "seen")
    assert send(running, feed, one)["recorded"] == 1
    other = {**one, "kind": "not_helpful"}
    done = send(running, feed, other, event(feed, 1, "seen"))
    assert (done["recorded"], done["repeated"]) == (1, 0)
    ((refused),) = done["refused"]
    assert (refused["id"], refused["code"]) == (one["id"], "feed.conflict")
    assert running.titles() == [FEES, COFFEE, ENERGY]


def test_a_view_is_logged_with_every_candidate_once_it_was_seen(
    running: Desk, tmp_path: Path
) -> None:
    feed = running.feed()
    send(running, feed, event(feed, 0, "seen"))
    ((customer, name, content),) = asked_of(tmp_path, "SELECT * FROM views")
    view = json.loads(content)
    assert (customer, name) == ("ann", feed["view"]["id"])
    assert (view["night"], view["ruleset"], view["places"]) == (TODAY, "ruleset", 3)
    assert view["policy"].startswith("standard:")
    found = [(one["item"][0], one["outcome"], one.get("place")) for one in view["candidates"]]
    assert found == [
        ("fees", "shown", 0), ("coffee", "shown", 1), ("energy", "shown", 2),
        ("savings", "no_place", None),
    ]  # fmt: skip
    assert view["candidates"][0]["told"]["values"] == {"x": "12.5", "d": '@"2024-10-01"'}
    later = {"events": [event(feed, 1, "seen")]}
    assert running.call("POST", "/v1/feed/events", later).json()["recorded"] == 1


@pytest.mark.parametrize(
    ("at", "sent_at", "code"),
    [
        (NOW + 2 * DAY, None, "feed.future"),
        (NOW - 91 * DAY, None, "feed.old"),
        (NOW + 400 * DAY, NOW + 400 * DAY, None),
        (NOW - 400 * DAY, NOW - 399 * DAY, None),
        (NOW + 60_000, None, None),
        (NOW + 60_001, None, "feed.future"),
        (NOW - 89 * DAY, None, None),
    ],
)
def test_clocks_of_devices_may_be_wrong(
    running: Desk, at: int, sent_at: int | None, code: str | None
) -> None:
    feed = running.feed()
    more = {} if sent_at is None else {"sent_at": time(sent_at)}
    done = send(running, feed, event(feed, 0, "seen", at), **more)
    assert [one["code"] for one in done["refused"]] == ([] if code is None else [code])


def test_what_happened_last_counts_even_by_a_clock_that_is_ahead(running: Desk) -> None:
    feed = running.feed()
    ahead = NOW + 3_600_000
    done, undone = (event(feed, 0, kind, ahead + n) for n, kind in enumerate(("acted", "undone")))
    (refused,) = send(running, feed, undone)["refused"]
    assert refused["code"] == "feed.future"
    for one in (undone, done):
        running.clock.now += 1_000
        send(running, feed, one, sent_at=time(running.clock.now + 3_600_000))
    assert running.titles() == [FEES, COFFEE, ENERGY]


@pytest.mark.parametrize("error", [-2 * DAY, 2 * DAY])
def test_a_snooze_ends_when_it_should_by_a_clock_that_is_wrong(running: Desk, error: int) -> None:
    feed, at = running.feed(), NOW + error
    snoozed = event(feed, 0, "snoozed", at, until=time(at + DAY))
    assert send(running, feed, snoozed, sent_at=time(at))["recorded"] == 1
    for later, is_there in ((DAY - 1, False), (DAY, True)):
        running.clock.now = NOW + later
        assert (FEES in running.titles()) is is_there
    assert send(running, feed, snoozed, sent_at=time(at + DAY))["repeated"] == 1


def test_what_can_never_be_recorded_does_not_keep_the_rest_of_a_batch(running: Desk) -> None:
    feed = running.feed()
    good = event(feed, 0, "seen")
    bad = {**event(feed, 1, "seen"), "item": "coffee.2024-02-31"}
    stray = {**event(feed, 2, "seen"), "view": "0" * 32}
    removed = signed_view(Keys({"removed": "r" * 43}), "ann", NO_VIEW).receipt
    receipts = [removed, feed["view"]["receipt"]]
    body = {"events": [bad, good, stray], "receipts": receipts}
    answer = running.call("POST", "/v1/feed/events", body)
    assert (answer.status_code, answer.json()["recorded"]) == (200, 1)
    assert {one["id"]: one["code"] for one in answer.json()["refused"]} == {
        bad["id"]: "feed.unknown-item",
        stray["id"]: "feed.not-shown",
    }


def test_the_answer_of_an_earlier_turn_can_be_undone(running: Desk) -> None:
    feed = running.feed()
    assert put(running, feed, 0, "not_helpful").status_code == 204
    running.people.results["ann"] = [
        msgspec.structs.replace(one, since=TODAY) for one in running.people.results["ann"]
    ]
    (hidden,) = running.call("GET", "/v1/feed/hidden").json()["items"]
    assert (hidden["id"], hidden["reason"]) == ("fees.2024-10-04", "muted")
    assert hidden["answered"] == "fees.2024-10-03"
    path = f"/v1/feed/items/{hidden['answered']}/state"
    assert running.call("DELETE", path).status_code == 204
    assert FEES in running.titles()


def test_a_busy_store_asks_to_send_again() -> None:
    codes = re.findall(r"`([a-z]+\.busy|store\.changed)`", DIAGNOSTICS.read_text())
    assert {"database.busy", "store.busy", "store.changed"} <= {*codes}
    for code in codes:
        answer = problem_response(problem_of(UserError(code, "x")))
        assert answer.status_code in RETRYABLE
        assert answer.headers["retry-after"]


def test_events_of_a_view_that_nobody_knows_are_refused(running: Desk) -> None:
    feed = running.feed()
    body = {"events": [event(feed, 0, "seen")]}
    done = running.call("POST", "/v1/feed/events", body).json()
    assert [one["code"] for one in done["refused"]] == ["feed.not-shown"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"}, {"id": "abcdefgh\n"}, {"kind": "liked"}, {"item": "fees"}, {"view": "1"},
        {"at": "yesterday"}, {"at": "2024-10-04T10:00:00"}, {"until": 5}, {"extra": 1},
    ],
)  # fmt: skip
def test_malformed_events_are_refused(running: Desk, change: dict[str, Any]) -> None:
    feed = running.feed()
    body = {"events": [{**event(feed, 0, "seen"), **change}]}
    answer = running.call("POST", "/v1/feed/events", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.body")


def test_a_batch_has_a_limit(running: Desk) -> None:
    feed = running.feed()
    body = {"events": [event(feed, 0, "seen")] * 501}
    assert running.call("POST", "/v1/feed/events", body).status_code == 400
    body = {"events": [{**event(feed, 0, "seen"), "view": "0" * 1_000_001}]}
    assert running.call("POST", "/v1/feed/events", body).status_code == 413


# -- whose feed it is -----------------------------------------------------------------------------


def test_nobody_reads_or_answers_the_feed_of_somebody_else(running: Desk) -> None:
    mine = running.feed("ann")
    path = f"/v1/feed/items/{mine['items'][0]['id']}/state"
    body = {"state": "acknowledged", "receipt": mine["view"]["receipt"]}
    answer = running.call("PUT", path, body, customer="bob")
    assert (answer.status_code, answer.json()["code"]) == (422, "feed.receipt")
    events = {"events": [event(mine, 0, "seen")], "receipts": [mine["view"]["receipt"]]}
    done = running.call("POST", "/v1/feed/events", events, customer="bob").json()
    assert (done["recorded"], [one["code"] for one in done["refused"]]) == (0, ["feed.not-shown"])
    del events["receipts"]
    send(running, mine, event(mine, 0, "seen"))
    done = running.call("POST", "/v1/feed/events", events, customer="bob").json()
    assert [one["code"] for one in done["refused"]] == ["feed.not-shown"]
    assert running.call("GET", "/v1/feed", customer="eve").status_code == 404


def forged(**change: Any) -> str:
    seconds = NOW // 1_000
    claims = {"sub": "ann", "aud": AUDIENCE, "iat": seconds, "exp": seconds + 900, **change}
    key = change.pop("key", "k" * 43)
    claims.pop("key", None)
    kid = claims.pop("kid", "first")
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, "HS256", {"kid": kid})


@pytest.mark.parametrize(
    "change",
    [
        {"key": "x" * 43}, {"kid": "other"}, {"aud": "another"}, {"aud": None}, {"exp": None},
        {"iat": None}, {"sub": None}, {"sub": ""}, {"exp": NOW // 1_000}, {"exp": NOW // 1_000 - 1},
        {"exp": NOW // 1_000 + 3_601}, {"iat": NOW // 1_000 + 61}, {"sub": "a\x00"},
        {"nbf": NOW // 1_000 + 61}, {"aud": ["another"]}, {"iat": str(NOW // 1_000)},
    ],
)  # fmt: skip
def test_a_token_that_is_not_valid_is_refused(running: Desk, change: dict[str, Any]) -> None:
    assert customer_of(Verified(KEYS), forged(), NOW) == "ann"
    assert customer_of(Verified(KEYS), forged(**change), NOW) is None
    headers = {"Authorization": f"Bearer {forged(**change)}"}
    answer = running.client.get("/v1/feed", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "access.denied")


def test_a_token_that_was_verified_before_still_expires() -> None:
    verified = Verified(KEYS)
    token = customer_token(KEYS, "ann", NOW, 900)
    assert customer_of(verified, token, NOW) == "ann"
    assert customer_of(verified, token, NOW + 899_999) == "ann"
    assert customer_of(verified, token, NOW + 900_000) is None
    assert customer_of(verified, f"{token[:-9]}{'A' * 9}", NOW) is None


def test_a_token_without_a_signature_and_a_receipt_are_no_tokens(running: Desk) -> None:
    claims = {"sub": "ann", "aud": AUDIENCE, "iat": NOW // 1_000, "exp": NOW // 1_000 + 60}
    parts = [{"alg": "none", "kid": "first", "typ": "JWT"}, claims]
    text = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts
    ]
    receipt = running.feed()["view"]["receipt"]
    for token in (".".join([*text, ""]), receipt, "", "..", "a.b.c"):
        answer = running.client.get("/v1/feed", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    token = customer_token(KEYS, "ann", NOW, 60)
    body = {"state": "acknowledged", "receipt": token}
    answer = running.call("PUT", "/v1/feed/items/fees.2024-10-03/state", body)
    assert answer.json()["code"] == "feed.receipt"


def test_keys_are_replaced_without_refusing_anybody(tmp_path: Path) -> None:
    path = tmp_path / "feed.keys"
    add_key("old", path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = customer_token(read_keys(str(path)), "ann", NOW, 60)
    add_key("new", path)
    both = read_keys(str(path))
    assert customer_of(Verified(both), before, NOW) == "ann"
    assert both.signing[0] == "old"
    old, new = path.read_text().splitlines()
    path.write_text(f"{new}\n{old}\n")
    turned = read_keys(str(path))
    after = customer_token(turned, "ann", NOW, 60)
    assert (
        customer_of(Verified(both), after, NOW)
        == customer_of(Verified(turned), before, NOW)
        == "ann"
    )
    path.write_text(f"{new}\n")
    assert customer_of(Verified(read_keys(str(path))), before, NOW) is None
    assert customer_of(Verified(read_keys(str(path))), after, NOW) == "ann"


@pytest.mark.parametrize("text", ["", "# none", "a short", "a b c", f"a {'k' * 43}\na {'l' * 43}"])
def test_a_malformed_file_of_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "feed.keys"
    path.write_text(text)
    with pytest.raises(UserError, match=r"feed\.keys"):
        read_keys(str(path))


def test_a_key_has_a_new_name(tmp_path: Path) -> None:
    add_key("a", tmp_path / "keys")
    for name in ("a", "a b", ""):
        with pytest.raises(UserError, match="key"):
            add_key(name, tmp_path / "keys")


def test_logs_do_not_name_customers(running: Desk) -> None:
    running.people.results["Ann Smith"] = running.people.results["ann"]
    with log_lines() as lines:
        feed = running.feed("Ann Smith")
        running.call("GET", f"/v1/feed/items/{feed['items'][0]['id']}/explanation")
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["caller"] for line in requests] == ["a customer"] * 2
    assert "Smith" not in json.dumps(lines)


# -- withdrawals ----------------------------------------------------------------------------------


def test_a_withdrawal_holds_at_once_and_for_everybody(running: Desk) -> None:
    assert FEES in running.titles()
    headers = {"Authorization": "Bearer secret"}
    body = {"rule": "fees", "reason": "wrong numbers"}
    done = running.client.post("/v1/withdrawals", json=body, headers=headers)
    assert done.status_code == 204
    assert running.titles() == running.titles("bob") == [COFFEE, ENERGY, SAVINGS]
    explanation = running.call("GET", "/v1/feed/items/fees.2024-10-03/explanation")
    assert (explanation.status_code, explanation.json()["code"]) == (404, "feed.unknown-item")
    restored = running.client.post(
        "/v1/withdrawals", json={**body, "withdrawn": False}, headers=headers
    )
    assert restored.status_code == 204
    assert FEES in running.titles()
    kept = running.client.get("/v1/withdrawals", headers=headers).json()["withdrawals"]
    assert [(one["rule"], one["withdrawn"], one["by"]) for one in kept] == [
        ("fees", True, "desk"),
        ("fees", False, "desk"),
    ]


def test_a_rule_that_nobody_has_is_neither_withdrawn_nor_restored(running: Desk) -> None:
    headers = {"Authorization": "Bearer secret"}
    body = {"rule": "feees", "reason": "wrong numbers"}
    for more in ({}, {"withdrawn": False}):
        answer = running.client.post("/v1/withdrawals", json={**body, **more}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "rule.unknown")
        assert "there is no rule feees" in answer.json()["title"]
    assert running.store.withdrawals() == []


@pytest.mark.parametrize("change", [{"rule": "fees\n"}, {"reason": "wrong\0"}, {"reason": ""}])
def test_malformed_withdrawals_are_refused(running: Desk, change: dict[str, str]) -> None:
    headers = {"Authorization": "Bearer secret"}
    body = {"rule": "fees", "reason": "wrong numbers", **change}
    answer = running.client.post("/v1/withdrawals", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.body")
    assert running.store.withdrawals() == []


def test_a_rule_that_was_removed_meanwhile_is_restored(running: Desk) -> None:
    running.store.withdraw(Withdrawal("gone", True, "desk", "wrong", NOW))
    headers = {"Authorization": "Bearer secret"}
    body = {"rule": "gone", "reason": "mended", "withdrawn": False}
    assert running.client.post("/v1/withdrawals", json=body, headers=headers).status_code == 204
    assert running.store.kept("ann").withdrawn == frozenset()


def test_customers_withdraw_nothing_and_operators_read_no_feed(running: Desk) -> None:
    body = {"rule": "fees", "reason": "x"}
    assert running.call("POST", "/v1/withdrawals", body).json()["code"] == "access.forbidden"
    assert running.call("GET", "/v1/withdrawals").status_code == 403
    headers = {"Authorization": "Bearer secret"}
    answer = running.client.get("/v1/feed", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "access.forbidden")
    assert running.client.get("/v1/withdrawals", headers={}).status_code == 401


def test_an_urgent_insight_is_marked_and_promotions_give_way(running: Desk) -> None:
    running.people.rules["coffee"] = urgent(running.people.rules["coffee"])
    feed = running.feed()
    assert [one["urgent"] for one in feed["items"]] == [True, False, False]
    hidden = running.call("GET", "/v1/feed/hidden").json()["items"]
    assert [one["reason"] for one in hidden] == ["no_promotion"]


# -- choices --------------------------------------------------------------------------------------


def test_a_person_chooses_what_they_see(running: Desk) -> None:
    assert running.call("GET", "/v1/preferences").json() == {}
    chosen = {"kinds_off": ["tip"], "topics_off": ["home"], "time_zone": "Europe/Dublin"}
    assert running.call("PUT", "/v1/preferences", chosen).json() == chosen
    assert running.call("GET", "/v1/preferences").json() == chosen
    assert running.titles() == [FEES, SAVINGS]
    assert len(running.titles("bob")) == 3


@pytest.mark.parametrize(
    "choice",
    [
        {"kinds_off": ["tips"]}, {"locale": "xx_XX"}, {"time_zone": "Mars/Base"}, {"x": 1},
        {"topics_off": ["a b"]}, {"topics_off": ["home\n"]}, {"locale": ""},
    ],
)  # fmt: skip
def test_choices_that_do_not_exist_are_refused(running: Desk, choice: dict[str, Any]) -> None:
    assert running.call("PUT", "/v1/preferences", choice).status_code == 400
    assert running.call("GET", "/v1/preferences").json() == {}


TAUGHT = msgspec.structs.replace(PRIOR, rule={"energy": 900, "coffee": 500}, temperature=5)


def taught(running: Desk) -> Desk:
    """Publish a model that likes energy most, then coffee, then fees.

    The first feed that it orders may have to compile a loop, for which nobody is kept waiting.
    """
    running.model = Model(TAUGHT.digest, TAUGHT)
    wait_until(lambda: running.call("GET", "/v1/feed").status_code not in RETRYABLE)
    return running


def test_a_published_model_orders_a_feed_at_once_and_promotions_stay_last(running: Desk) -> None:
    tag = running.call("GET", "/v1/feed").headers["ETag"]
    assert running.titles() == [FEES, COFFEE, ENERGY]
    taught(running)
    answer = running.call("GET", "/v1/feed", **{"If-None-Match": tag})
    assert [one["title"] for one in answer.json()["items"]] == [ENERGY, COFFEE, FEES]
    running.people.results["ann"].pop(0)
    assert running.titles() == [ENERGY, COFFEE, SAVINGS]
    running.model = None
    assert running.titles() == [COFFEE, ENERGY, SAVINGS]


def test_a_learned_feed_has_pages(running: Desk) -> None:
    taught(running)
    first = running.feed(query="?limit=1")
    second = running.feed(query=f"?limit=1&cursor={first['next']}")
    third = running.feed(query=f"?limit=1&cursor={second['next']}")
    titles = [one["title"] for page in (first, second, third) for one in page["items"]]
    assert titles == [ENERGY, COFFEE, FEES]
    assert third["next"] is None


def test_who_chooses_rule_order_gets_it(running: Desk) -> None:
    taught(running)
    assert running.call("PUT", "/v1/preferences", {"rule_order": True}).status_code == 200
    assert running.titles() == [FEES, COFFEE, ENERGY]
    assert running.titles("bob") == [ENERGY, COFFEE, FEES]


def test_a_place_is_explained_as_a_sum_of_points(running: Desk) -> None:
    path = "/v1/feed/items/energy.2024-10-03/explanation"
    assert running.call("GET", path).json()["order"] == {"by": "rules"}
    order = running.call("GET", path).json()["order"]
    taught(running)
    order = running.call("GET", path).json()["order"]
    assert (order["by"], order["model"]) == ("model", TAUGHT.digest)
    assert order["parts"]["rule"] == 900
    assert sum(order["parts"].values()) == order["points"]
    assert order["chance"] == pytest.approx(1)


def test_a_view_that_comes_back_has_its_draw_and_its_channel(running: Desk, tmp_path: Path) -> None:
    taught(running)
    feed = running.feed(query="?channel=watch")
    send(running, feed, event(feed, 0, "seen"))
    ((content,),) = asked_of(tmp_path, "SELECT view FROM views")
    view = json.loads(content)
    assert view["channel"] == "watch"
    assert view["order"] == {"by": "model", "model": TAUGHT.digest, "temperature": 5}
    drawn = {one["item"][0]: one for one in view["candidates"]}
    assert drawn["energy"]["points"] > drawn["fees"]["points"]
    assert all(len(one["features"]) == 8 for one in drawn.values())
    wrong = running.call("GET", "/v1/feed?channel=My%20Watch")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "request.query")
