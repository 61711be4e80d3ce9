"""The content of the page of a feed, without a browser."""

import contextlib
import html
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.feeds import KEYS, NOW, POLICY, TODAY, Desk, desk

from tuppence.feed.choice import Outcome
from tuppence.feed.items import DAY, EventKind, item_id
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import Preferences, QuietHours
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.services.feed.tokens import read_receipt
from tuppence.services.feed_page.app import page_app
from tuppence.services.feed_page.chart import HEIGHT, MONTHS, WIDTH, bars
from tuppence.services.feed_page.showing import REASONS
from tuppence.usecases.build_feed import NOT_DUE
from tuppence.usecases.feed_ports import Person, Withdrawal
from tuppence.usecases.record_events import answer_item, see_item

rows = st.lists(
    st.fixed_dictionaries(
        {
            "booking date": st.dates().map(str),
            "amount": st.integers(-10_000, 10_000).map(lambda n: f"{n / 100:.2f}"),
        }
    ),
    max_size=20,
)


def row(day: str, amount: str) -> dict[str, str | None]:
    return {"booking date": day, "amount": amount}


def test_a_chart_has_a_bar_for_each_month_also_for_empty_ones() -> None:
    found = bars([row("2026-01-05", "10"), row("2026-01-06", "5"), row("2026-03-01", "30.00")])
    assert [(bar.month, bar.amount, bar.height) for bar in found] == [
        ("2026-01", Decimal(15), HEIGHT // 2),
        ("2026-02", Decimal(0), 0),
        ("2026-03", Decimal(30), HEIGHT),
    ]
    assert bars([row("2026-01-05", "1"), row("2026-01-31", "1")]) == ()
    assert bars([{"booking date": None, "amount": "1"}]) == ()


def test_a_refund_makes_the_sum_of_its_month_smaller() -> None:
    found = bars([row("2026-01-05", "-20"), row("2026-01-06", "5"), row("2026-02-01", "-30.00")])
    assert [(bar.amount, bar.height) for bar in found] == [
        (Decimal(-15), HEIGHT // 2), (Decimal(-30), HEIGHT),
    ]  # fmt: skip


def test_months_of_both_signs_have_no_chart() -> None:
    assert bars([row("2026-01-05", "-10"), row("2026-02-06", "5")]) == ()


@given(rows)
def test_bars_stay_inside_of_the_chart(drawn: list[dict[str, str | None]]) -> None:
    found = bars(drawn)
    assert len(found) <= MONTHS
    for bar in found:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert bar.y >= 0
        assert bar.y + bar.height == HEIGHT
        assert bar.width > 0


def test_every_outcome_has_a_sentence_for_the_reader() -> None:
    assert REASONS.keys() == {*Outcome} - NOT_DUE - {Outcome.SHOWN}


# -- pages ----------------------------------------------------------------------------------------

FEES = "fees.2024-10-03"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as found:
        yield found


@contextlib.contextmanager
def page(running: Desk, policy: Policy = POLICY) -> Iterator[TestClient]:
    """Run the page; there was no run before the last one."""

    def find(customer: str, today: Date) -> tuple[Person, None]:
        return running.people.find(customer, today), None

    deps = running.deps._replace(policy=policy)
    with TestClient(page_app(deps, lambda _: (), find, "k" * 43)) as client:
        client.get(f"/?key={'k' * 43}")
        yield client


@pytest.fixture
def read(running: Desk) -> Iterator[Callable[[str], str]]:
    """Yield a function that returns the text of a page of ann."""
    with page(running) as client:

        def text(address: str) -> str:
            path, _, query = address.partition("?")
            answer = client.get(f"{path}?customer=ann&{query}")
            assert answer.status_code == 200, answer.text
            return html.unescape(answer.text)

        yield text


def answer(running: Desk, kind: EventKind, until: int | None = None) -> None:
    feed = running.feed()
    view = read_receipt(KEYS, "ann", feed["view"]["receipt"])
    deps, item = running.deps, item_id(FEES)
    if kind is EventKind.SEEN:
        see_item(deps.store, "ann", view, item, deps.policy, NOW)
    else:
        answer_item(deps.store, "ann", view, item, kind, deps.policy, NOW, until)


def test_what_is_not_shown_advertises_nothing(running: Desk, read: Callable[[str], str]) -> None:
    assert running.call("GET", "/v1/feed/hidden").json()["items"][0]["id"].startswith("savings")
    assert "1 more applies" in read("/feed")
    page = read("/hidden")
    assert "An offer" in page
    assert "Savings" not in page


def test_what_was_withdrawn_is_not_repeated(running: Desk, read: Callable[[str], str]) -> None:
    running.store.withdraw(Withdrawal("fees", True, "desk", "wrong", NOW))
    page = read("/hidden")
    assert "An insight" in page
    assert "It was withdrawn." in page
    assert "12.50" not in page


def test_a_snooze_ends_on_a_day_of_the_person(running: Desk, read: Callable[[str], str]) -> None:
    answer(running, EventKind.SNOOZED, (TODAY + 1) * DAY + 3_600_000)
    assert "it returns on 5 October 2024" in read("/hidden")
    with running.store.change("ann") as change:
        change.prefer(Preferences(time_zone="America/Los_Angeles"))
    assert "it returns on 4 October 2024" in read("/hidden")


def test_an_item_of_an_earlier_night_says_until_when_its_transactions_go(
    running: Desk, read: Callable[[str], str]
) -> None:
    answer(running, EventKind.SEEN)
    running.people.day = running.people.evaluated = TODAY + 2
    running.people.results["ann"] = [
        Result(one.rule_id, State.UNKNOWN, None, {}, one.since)
        for one in running.people.results["ann"]
    ]
    assert "going by your transactions until 4 October 2024" in read(f"/item?item={FEES}")


def test_later_puts_away_for_as_long_as_the_policy_allows(running: Desk) -> None:
    policy = msgspec.structs.replace(POLICY, longest_snooze_days=2)
    with page(running, policy) as client:
        receipt = re.search('name="receipt" value="([^"]+)"', client.get("/feed?customer=ann").text)
        assert receipt is not None
        form = {"item": FEES, "state": "snoozed", "receipt": receipt[1]}
        headers = {"Origin": "http://testserver"}
        done = client.post("/answer?customer=ann", data=form, headers=headers)
        assert "Put away for now." in done.text
    answer = running.store.kept("ann").states[item_id(FEES)].answer
    assert answer is not None
    assert answer.until == NOW + 2 * DAY


def test_the_language_is_that_of_the_texts(running: Desk, read: Callable[[str], str]) -> None:
    with running.store.change("ann") as change:
        change.prefer(Preferences(locale="cs_CZ"))
    text = read("/feed")
    assert '<html lang="en">' in text
    assert "října" in text


@pytest.mark.parametrize("answered", ["seen", "opened", "undone", "x", "acknowledged"])
def test_only_an_answer_is_confirmed(read: Callable[[str], str], answered: str) -> None:
    page = read(f"/feed?answered={answered}&item={FEES}")
    assert ("Dismissed." in page) is (answered == "acknowledged")


def test_a_person_chooses_how_and_when_they_are_told(running: Desk) -> None:
    form = {"kind": ["tip"], "channel": ["push"], "quiet_from": "22:00", "quiet_until": "07:30"}
    with page(running) as client:
        asked = client.get("/choices?customer=ann").text
        assert "quiet hours are from 21:00 until 08:00" in asked
        headers = {"Sec-Fetch-Site": "same-origin"}
        done = client.post("/choices?customer=ann", data=form, headers=headers)
        assert done.status_code == 200, done.text
        found = running.store.kept("ann").preferences
        assert found.channels_on == ["push"]
        assert found.quiet_hours == QuietHours("22:00", "07:30")
        shown = client.get("/choices?customer=ann").text
        assert 'value="push" checked' in shown
        assert 'value="mail" checked' not in shown
        assert 'name="quiet_from" value="22:00"' in shown
        for begin, end in (("22:00", ""), ("22:00", "22:00"), ("x", "07:30")):
            wrong = form | {"quiet_from": begin, "quiet_until": end}
            refused = client.post("/choices?customer=ann", data=wrong, headers=headers)
            assert (refused.status_code, "two different times" in refused.text) == (400, True)
        client.post("/choices?customer=ann", data={"kind": ["tip"]}, headers=headers)
    cleared = running.store.kept("ann").preferences
    assert (cleared.channels_on, cleared.quiet_hours) == ([], None)


def test_a_topic_that_no_rule_has_today_stays_turned_off(running: Desk) -> None:
    with running.store.change("ann") as change:
        change.prefer(Preferences(topics_off=["bank", "gone"]))
    with page(running) as client:
        headers = {"Sec-Fetch-Site": "same-origin"}
        client.post("/choices?customer=ann", data={"topic": ["bank"]}, headers=headers)
    assert "gone" in running.store.kept("ann").preferences.topics_off
    assert "bank" not in running.store.kept("ann").preferences.topics_off
