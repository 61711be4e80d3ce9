"""The page of a feed in a real browser: what a person sees and does there."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from playwright.sync_api import Browser, Page
from tests.browsing import CHROMIUM, check_on_screens, picture, window
from tests.building import copy_rules, day
from tests.commands import command
from tests.feeds import asked_of
from tests.serving import served

from tuppence.bootstrap.feeds import store_page
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY

KEY: Final = "a-key-of-the-tests-that-is-long-enough-for-hs256"
PERSON: Final = "C0000002"
NOW: Final = day("2026-06-30") * DAY + DAY // 2
RULES: Final = (
    *("eating_out_up", "bills_next_week", "subscriptions_total", "insurance_monthly"),
    *("offer_energy_tariff", "energy_costs", "overdrawn", "week_in_review"),
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 40, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", "2026-06-30")
    return folder / "store"


@pytest.fixture
def address(made: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a page over a store of its own."""
    store = shutil.copytree(made, tmp_path / "store")
    with served(store_page(store, None, PURPOSES, lambda: NOW, KEY)) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Open the feed of a person on a phone."""
    asked = {"viewport": {"width": 390, "height": 844}, **options}
    with window(browser, address, **asked) as page:
        page.goto(f"{address}/?key={KEY}")
        page.goto(f"{address}/feed?customer={PERSON}")
        yield page


def titles(page: Page) -> list[str]:
    return page.locator("article h2").all_inner_texts()


def test_an_item_that_is_dismissed_gives_way_and_returns_when_it_is_undone(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as page:
        before = titles(page)
        assert len(before) >= 3
        page.get_by_role("button", name=f"Dismiss {before[0]}").click()
        assert before[0] not in titles(page)
        assert page.get_by_role("status").inner_text().startswith("Dismissed.")
        picture(page, "dismissed")
        page.reload()
        assert before[0] not in titles(page)
        page.get_by_role("button", name="Undo").click()
        assert titles(page) == before


def test_what_came_changed_and_went_since_the_run_before_is_marked(
    browser: Browser, made: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    command("synth", "--store", store, "--customers", 40, "--seed", 1)
    for day_ in ("2026-06-23", "2026-06-30"):
        command("run", "--store", store, "--rules", made.parent / "rules", "--as-of", day_)
    asked = ("feed", PERSON, "--store", store, "--new", "--format", "json")
    told = json.loads(command(*asked))
    marks = {"came": "New", "changed": "Changed", "same": None}
    with (
        served(store_page(store, None, PURPOSES, lambda: NOW, KEY)) as port,
        opened(browser, f"http://127.0.0.1:{port}") as page,
    ):
        picture(page, "compared")
        kinds = page.locator("article .kind").all_inner_texts()
        found = [text.split(" · ")[-1] if " · " in text else None for text in kinds]
        text = page.locator("main").inner_text()
        page.get_by_role("button", name=f"Dismiss {titles(page)[0]}").click()
        dismissed = page.locator("main").inner_text()
        command("consent", "grant", PERSON, "--on", "2026-01-01", "--until", "2026-06-25",
                "--store", store)  # fmt: skip
        page.reload()
        ended = page.locator("main").inner_text()
    assert told["entries"][0]["change"] == "changed"
    assert "Dismissed." in dismissed
    assert "other insights come first" not in dismissed, "a person who dismisses it took it away"
    assert "There is nothing to show" in ended
    assert "No longer shown" not in ended
    assert found == [marks[one["change"]] for one in told["entries"]]
    assert {"came", "changed"} <= {one["change"] for one in told["entries"]}
    assert "compared with 23 June 2026" in text
    assert told["gone"]
    for one in told["gone"]:
        assert f"{one['title']}: " in text


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_everything_works_with_forms_alone(browser: Browser, address: str, scripts: bool) -> None:
    with opened(browser, address, java_script_enabled=scripts) as page:
        before = titles(page)
        page.get_by_role("button", name=f"Later {before[0]}").click()
        page.get_by_role("button", name=f"Not helpful {before[1]}").click()
        assert not {before[0], before[1]} & {*titles(page)}
        page.get_by_role("link", name="Not shown", exact=True).click()
        text = page.locator("main").inner_text()
        assert "it returns on 7 July 2026" in text
        assert "You said that it was not helpful." in text
        picture(page, "hidden")
        page.get_by_role("button", name=f"Show it again {before[1]}").click()
        assert before[1] in titles(page)
        page.get_by_role("link", name="Choices").click()
        page.get_by_label("insight", exact=True).uncheck()
        page.get_by_label("Format of money and dates").fill("cs_CZ")
        page.get_by_role("button", name="Save").click()
        assert "insight" not in page.locator("article .kind").all_inner_texts()
        assert "30. června 2026" in page.locator("main").inner_text()
        assert page.locator("html").get_attribute("lang") == "en", "its texts stay English"
        page.get_by_role("link", name="Choices").click()
        assert not page.get_by_label("insight", exact=True).is_checked()


def test_details_show_the_transactions_that_counted(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.locator("article", has_text="Eating out").get_by_role("link", name="Why").click()
        assert page.locator("h1").inner_text() == "Eating out is up"
        text = page.locator("main").inner_text()
        assert "It has applied to you since 30 June 2026" in text
        assert page.locator("tbody tr").count() > 3
        captions = page.locator("table caption").all_inner_texts()
        assert captions == [
            "13 transactions from 4 Jun 2026 to 30 Jun 2026: £376.74",
            "11 transactions from 11 Apr 2026 to 26 May 2026: £334.89",
        ], "the sums are those that the insight compares"
        assert page.locator("tbody .amount").first.inner_text().startswith("£")
        assert page.get_by_role("img").count() >= 1
        picture(page, "details")


def test_what_was_on_the_screen_counts_as_seen_once(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    for _ in range(2):
        with opened(browser, address) as page:
            with page.expect_response(lambda answer: "/seen" in answer.url) as first:
                pass
            assert first.value.status == 204
    query = "SELECT json_extract(event, '$.item[0]') FROM events"
    items = [row for (row,) in asked_of(tmp_path / "store", query)]
    assert items
    assert len(items) == len(set(items)), "an item counts once a day"


def test_the_pages_are_accessible_and_fit_a_narrow_screen(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        first = page.locator(".why a").first.get_attribute("href")
        assert first is not None
        person = f"customer={PERSON}"
        for path in ("/", f"/feed?{person}", first, f"/hidden?{person}", f"/choices?{person}"):
            page.goto(f"{address}{path}")
            page.locator("main").wait_for()
            name = path.strip("/").partition("?")[0] or "home"
            check_on_screens(page, name, (320, "light"), (320, "dark"))


def test_the_keyboard_reaches_every_answer(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        before = titles(page)
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == f"Dismiss {before[0]}":
                break
        page.keyboard.press("Enter")
        page.get_by_role("status").wait_for()
        assert before[0] not in titles(page)


def test_the_page_is_for_whoever_has_its_address(address: str) -> None:
    feed = f"{address}/feed?customer={PERSON}"
    with httpx2.Client() as client:
        for path in ("/", "/static/style.css", f"/feed?customer={PERSON}", "/?key=wrong"):
            assert client.get(f"{address}{path}").status_code == 403
        cookie = client.get(f"{address}/?key={KEY}").headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        found = client.get(feed)
        assert found.status_code == 200
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert "style=" not in found.text
        assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://example.com"}, 403),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
    ],
)
def test_forms_of_other_sites_are_refused(
    address: str, headers: dict[str, str], status: int
) -> None:
    with httpx2.Client() as client:
        client.get(f"{address}/?key={KEY}")
        found = client.post(
            f"{address}/answer?customer={PERSON}", content=b"item=a.2026-01-01", headers=headers
        )
        assert found.status_code == status


@pytest.mark.parametrize(
    ("path", "form", "code"),
    [
        ("/choices", "time_zone=Mars%2FBase", "there is no time zone"),
        ("/choices", "locale=xx_XX", "there is no locale"),
        ("/answer", "item=a&state=undone", "is no item of a feed"),
        ("/answer", "item=a.2026-06-30&state=liked&receipt=x", "is not an answer"),
        ("/answer", "item=a.2026-06-30&state=acted&receipt=x", "was not signed"),
        ("/answer", "state=acted", "needs the field item once"),
        ("/answer", "item=a&item=a", "needs the field item once"),
        ("/answer", "x" * 100_001, "more than 100,000 bytes"),
        ("/answer", "&".join(["a=b"] * 501), "malformed"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    address: str, path: str, form: str, code: str
) -> None:
    with httpx2.Client(headers={"Sec-Fetch-Site": "same-origin"}) as client:
        client.get(f"{address}/?key={KEY}")
        found = client.post(f"{address}{path}?customer={PERSON}", content=form.encode())
        assert 400 <= found.status_code < 500
        assert code in found.text


def test_names_and_texts_are_escaped(address: str) -> None:
    with httpx2.Client() as client:
        client.get(f"{address}/?key={KEY}")
        for path in ("/?customer=<script>", "/feed?customer=<script>", "/feed?customer=%22%3Eb"):
            found = client.get(f"{address}{path}")
            assert "<script>" not in found.text.replace('<script src="/static/seen.js"', "")
        unknown = client.get(f"{address}/feed?customer=nobody")
        assert unknown.status_code == 404
        assert "there is no customer nobody" in unknown.text
