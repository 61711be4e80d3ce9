"""The console in a real browser: what people write, see and save there."""

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from local.servers import PATIENCE, Server, free_port
from playwright.sync_api import Browser, Page, expect
from tests.browsing import CHROMIUM, check_on_screens, picture, window
from tests.building import ROOT, copy_rules, day
from tests.commands import command
from tests.serving import served

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bootstrap.console import console_service
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY
from tuppence.usecases.ledger import RunRecord, Tally

KEY: Final = "a-key-of-the-tests"
PERSON: Final = "C0000002"
NIGHT: Final = "2026-06-30"
NOW: Final = day(NIGHT) * DAY + DAY // 2
RULES: Final = ("bank_fees", "eating_out_up", "overdrawn", "week_in_review", "energy_costs")
FORM: Final = """# Written in the form.
id: travel_heavy
kind: insight
title: Transport costs more than food
when: # a measure against another
  all:
    - what: {measure: how much, where: {category: transport}, days: 90}
      is: more than
      value: {measure: how much, where: {category: groceries}, days: 90}
score: 30
values:
  transport: {measure: how much, where: {category: transport}, days: 90}
message:
  title: "{{ transport | money }} for getting around"
  body: You spent more on transport than on food.
tests:
  - name: drives a lot
    expect: qualified
    transactions:
      - {days ago: 3, amount: -80, category: transport, every: 10, times: 6}
"""
BROKEN: Final = """id: broken
kind: insigt
title: Broken
when: count(payments) >= 0
score: 1
message: {title: a, body: b}
"""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store after two nights, and the rules that ran."""
    folder = tmp_path_factory.mktemp("console")
    rules = copy_rules(folder / "rules", *RULES)
    (rules / "travel_heavy.yaml").write_text(FORM)
    command("synth", "--store", folder / "store", "--customers", 60, "--seed", 1)
    for night in ("2026-06-29", NIGHT):
        command("run", "--store", folder / "store", "--rules", rules, "--as-of", night)
    return folder


class Served:
    """A console over a store and rules of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.store, self.rules = folder / "store", folder / "rules"
        self.address = f"http://127.0.0.1:{port}"

    def rule(self, name: str) -> str:
        return f"{self.address}/rule?name={name}"

    def counted(self, name: str) -> dict[str, Any]:
        """Return what the command line previews of a rule that is saved."""
        file = self.rules / f"{name}.yaml"
        asked = ("rules", "preview", file, "--store", self.store, "--format", "json")
        found: dict[str, Any] = json.loads(command(*asked))
        return found


@pytest.fixture
def console(made: Path, tmp_path: Path) -> Iterator[Served]:
    folder = shutil.copytree(made, tmp_path / "console")
    app = console_service(
        folder / "store", folder / "rules", None, PURPOSES, 1_000_000_000, lambda: NOW, KEY
    )
    with served(app) as port:
        yield Served(folder, port)


@contextlib.contextmanager
def opened(browser: Browser, console: Served, *refused: int, **options: Any) -> Iterator[Page]:
    """Open the console, as `browsing.opened` does."""
    with window(browser, console.address, *refused, **options) as page:
        page.goto(f"{console.address}/?key={KEY}")
        yield page


def headline(page: Page, number: int) -> None:
    """Wait until the preview counts this many customers."""
    expect(page.locator("#preview:not(.old) .headline strong")).to_have_text(f"{number:,}")


def typed(page: Page, field: str, text: str) -> None:
    """Replace the text of a field by typing."""
    page.locator(f"[id='{field}']").click()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_names_and_words_are_completed_where_they_fit(browser: Browser, console: Served) -> None:
    with opened(browser, console) as page:
        page.goto(console.rule("bank_fees"))
        field = page.get_by_label("Condition", exact=True)
        typed(page, "when", "count(payments[booking d")
        page.get_by_role("option", name="booking date").wait_for()
        picture(page, "completing")
        page.keyboard.press("Enter")
        expect(field).to_have_value("count(payments[booking date")
        page.keyboard.type(' > today() and category = "bank')
        page.get_by_role("option", name="bank fee").wait_for()
        page.keyboard.press("Enter")
        page.keyboard.type("]) > 0")
        expect(field).to_have_value(
            'count(payments[booking date > today() and category = "bank fee"]) > 0'
        )
        page.keyboard.press("Control+Z")
        expect(field).not_to_have_value(re.compile(r"\) > 0$"))


@pytest.mark.parametrize("before", ["", '"🐎" = "🐎" and\n'], ids=["alone", "after an emoji"])
def test_a_misspelt_name_is_underlined_exactly_and_corrected_by_a_button(
    browser: Browser, console: Served, before: str
) -> None:
    with opened(browser, console) as page:
        page.goto(console.rule("bank_fees"))
        page.locator("#preview .headline").wait_for()
        text = f'{before}count(payments[catgory = "bank fee"]) > 0'
        page.get_by_label("Condition", exact=True).fill(text)
        underlined = page.locator(".area:has(#when) mark")
        expect(underlined).to_have_text("catgory")
        message = page.locator("#when-found li")
        expect(message).to_contain_text("there is no catgory here")
        expect(message).to_contain_text("did you mean category?")
        assert page.locator("#preview").get_attribute("class") == "old", "old numbers are dimmed"
        picture(page, "misspelt")
        message.get_by_role("button", name="Write category").click()
        expect(page.get_by_label("Condition", exact=True)).to_have_value(
            text.replace("catgory", "category")
        )
        page.locator("#preview:not(.old) .headline").wait_for()
        expect(underlined).to_have_count(0)


def test_a_preview_equals_that_of_the_command_line_and_the_next_night(
    browser: Browser, console: Served
) -> None:
    file = console.rules / "energy_costs.yaml"
    with opened(browser, console) as page:
        page.goto(console.rule("energy_costs"))
        text = page.get_by_label("Condition", exact=True).input_value()
        headline(page, console.counted("energy_costs")["qualified"])
        typed(page, "when", text.replace("> 1800", "> 900"))
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. The next run of these rules uses it.")).to_be_visible()
        told = console.counted("energy_costs")
        headline(page, told["qualified"])
        compared = told["compared"]
        words = f"{compared['stay']} stay, {compared['come']} come, and {compared['go']} go"
        expect(page.locator("#preview")).to_contain_text(words)
        for sentence in (f"{sum(told['effect']['places'])} would see it", NIGHT):
            expect(page.locator("#preview")).to_contain_text(sentence)
        expect(page.get_by_text("Nearest misses").first).to_be_visible()
        picture(page, "console", full_page=False)
        page.locator("#curves button").first.click()
        reasons = page.locator("#curves .reasons .headline").first
        expect(reasons).to_contain_text("does not qualify")
        now = page.locator("#curves tr.now td").first
        expect(now).to_have_text(str(told["qualified"]))
        page.get_by_role("slider").last.press("ArrowLeft")  # dragged to the next lower number
        condition = page.get_by_label("Condition", exact=True)
        expect(condition).to_have_value(text.replace("> 1800", "> 810"))
        expect(page.locator("#preview:not(.old) .headline strong").first).to_have_text(
            page.locator("#curves:not(.old) tr.now td.number").last.inner_text()
        )
    assert file.read_text().count("> 900") == 1
    assert compared["come"] > 0
    ran = json.loads(
        command("run", "--store", console.store, "--rules", console.rules, "--as-of", NIGHT,
                "--format", "json")
    )  # fmt: skip
    assert {rule: found for rule, found, _ in ran["by_rule"]}["energy_costs"] == told["qualified"]


def test_only_the_part_that_changed_is_written_anew(browser: Browser, console: Served) -> None:
    file = console.rules / "travel_heavy.yaml"
    before = file.read_text()
    with opened(browser, console) as page:
        page.goto(console.rule("travel_heavy"))
        page.locator("#preview .headline").wait_for()
        page.get_by_label("Title, for those who maintain the rules").fill("Getting around")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Getting around")
    title = "title: Transport costs more than food"
    assert file.read_text() == before.replace(title, "title: Getting around")


def test_fast_typing_ends_with_the_numbers_of_the_newest_text(
    browser: Browser, console: Served
) -> None:
    with opened(browser, console, 409) as page:
        page.goto(console.rule("bank_fees"))
        page.locator("#preview .headline").wait_for()
        for number in (400, 300, 200, 100, 50):
            page.get_by_label("Condition", exact=True).fill(f"count(payments) > {number}")
        page.get_by_label("Condition", exact=True).fill("count(payments) >= 0")
        headline(page, 60)
        page.get_by_label("Condition", exact=True).fill("count(payments) >= ")
        expect(page.locator("#when-found li.error")).to_be_visible()
        expect(page.locator("#preview")).to_have_class("old")
        expect(page.locator("#preview .headline strong")).to_have_text("60")


def test_of_two_tabs_the_second_is_told_what_the_first_has_saved(
    browser: Browser, console: Served
) -> None:
    file = console.rules / "bank_fees.yaml"
    with opened(browser, console, 409) as page:
        page.goto(console.rule("bank_fees"))
        other = page.context.new_page()
        other.goto(console.rule("bank_fees"))
        for one, topic in ((page, "first"), (other, "second")):
            one.get_by_label("Topic").fill(topic)
            with one.expect_navigation() as answer:
                one.get_by_role("button", name="Save").click()
        assert answer.value.status == 409
        expect(other.get_by_role("heading", level=1)).to_have_text(
            "Somebody else has saved this rule"
        )
        assert other.locator(".diff .minus").all_inner_texts() == ["− topic: first"]
        assert other.locator(".diff .plus").all_inner_texts() == ["+ topic: second"]
        assert "topic: first\n" in file.read_text()
        picture(other, "conflict")
        assert Axe().run(other).violations_count == 0
        other.get_by_role("button", name="Save mine in its place").click()
        expect(other.get_by_text("Saved.")).to_be_visible()
    assert "topic: second\n" in file.read_text()


def test_a_rule_with_an_error_is_not_saved(browser: Browser, console: Served) -> None:
    file = console.rules / "bank_fees.yaml"
    before = file.read_text()
    with opened(browser, console, 422) as page:
        page.goto(console.rule("bank_fees"))
        page.get_by_label("Condition", exact=True).fill("count(paymnts) > 1")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("nothing was saved: it has 1 error")
        expect(page.get_by_label("Condition", exact=True)).to_have_value("count(paymnts) > 1")
        picture(page, "refused")
    assert file.read_text() == before


def test_a_rule_is_made_in_the_form(browser: Browser, console: Served) -> None:
    with opened(browser, console, 422) as page:
        page.get_by_role("link", name="New rule").click()
        page.get_by_label("Title, for those").fill("Many taxis")
        page.get_by_label("Identifier").fill("many_taxis")
        picture(page, "new")
        page.get_by_role("button", name="Begin").click()
        page.locator("#when").get_by_label("Measure").select_option("how many")
        page.locator("#when summary").first.click()
        category = page.get_by_label("Category", exact=True)
        category.click()
        page.keyboard.type("transp")
        page.get_by_role("option", name="transport").wait_for()
        page.keyboard.press("Enter")
        expect(category).to_have_value("transport")
        page.get_by_label("Text", exact=True).fill("You took many taxis.")
        page.locator("#preview:not(.old) .headline").wait_for()
        page.locator("#when").get_by_label("In the last days").fill("60")
        translated = page.locator("[data-feel=when]")
        expect(translated).to_have_text(
            re.compile(r'^count\(payments\[category = "transport" .* @"P60D"]\) >= 1$')
        )
        page.get_by_role("button", name="Add a condition").click()
        expect(page.locator("#when .row")).to_have_count(2)
        page.get_by_role("button", name="Remove condition 2").click()
        expect(page.locator("#when .row")).to_have_count(1)
        picture(page, "form")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        told = console.counted("many_taxis")
        headline(page, told["qualified"])
        page.get_by_role("button", name="Write this condition in FEEL").click()
        expect(page.get_by_label("Condition", exact=True)).to_have_value(
            re.compile(r'^count\(payments\[category = "transport" and booking date > ')
        )
        headline(page, told["qualified"])
    assert command("rules", "check", console.rules / "many_taxis.yaml").startswith(
        "1 rule, 0 errors"
    )


def test_without_scripts_a_rule_is_tried_and_saved(browser: Browser, console: Served) -> None:
    with opened(browser, console, java_script_enabled=False) as page:
        page.get_by_label("Words").fill("transport food")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Transport costs more than food").click()
        page.get_by_role("button", name="Write this condition in FEEL").click()
        field = page.get_by_label("Condition", exact=True)
        right = field.input_value()
        field.fill(right.replace("category", "catgory", 1))
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name="Write category").click()
        assert page.get_by_label("Condition", exact=True).input_value() == right
        page.get_by_role("button", name="Try it").click()
        expect(page.locator(".headline")).to_contain_text("of 60 customers qualify")
        expect(page.get_by_role("heading", name="As customers read it")).to_be_visible()
        why = page.get_by_role("button", name=re.compile("^Why C")).first
        customer = why.inner_text()[4:-1]
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("button", name=f"Why {customer}?").click()
        expect(page.locator(".headline")).to_contain_text(f"{customer} qualifies")
        page.goto(f"{console.rule('travel_heavy')}&view=file")
        text = page.get_by_label("The file, in YAML").input_value()
        assert text == (console.rules / "travel_heavy.yaml").read_text()
        page.get_by_label("The file, in YAML").fill(text.replace("score: 30", "score: 31"))
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
    assert "score: 31" in (console.rules / "travel_heavy.yaml").read_text()


def test_an_example_is_explained_by_its_transactions(browser: Browser, console: Served) -> None:
    with opened(browser, console) as page:
        page.goto(console.rule("travel_heavy"))
        button = page.get_by_role("button", name=re.compile("^Why C")).first
        button.click()
        reasons = page.locator(".examples .reasons").first
        expect(reasons.locator("tbody tr").first).to_be_visible()
        expect(reasons).to_contain_text("transport")
        picture(page, "example")
        button.click()
        expect(reasons).to_be_empty()


def test_a_file_that_is_no_rule_is_listed_and_can_be_mended(
    browser: Browser, console: Served
) -> None:
    file = console.rules / "broken.yaml"
    file.write_text(BROKEN)
    with opened(browser, console) as page:
        page.goto(f"{console.address}/?state=error")
        page.get_by_role("link", name="broken").click()
        expect(page.locator("#text-found")).to_contain_text("Invalid enum value 'insigt'")
        field = page.get_by_label("The file, in YAML")
        field.fill(field.input_value().replace("insigt", "insight"))
        headline(page, 60)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
    assert "kind: insight" in file.read_text()


def test_the_list_shows_reach_states_and_what_is_missing(browser: Browser, console: Served) -> None:
    (console.rules / "overdrawn.yaml").unlink()
    changed = console.rules / "energy_costs.yaml"
    changed.write_text(changed.read_text().replace("> 1800", "> 1700"))
    told = console.counted("week_in_review")["qualified"]
    with opened(browser, console) as page:
        row = page.locator("tr", has_text="The week in review")
        expect(row).to_contain_text("as in the last run")
        expect(row.locator("td[data-label='Last night']")).to_contain_text(f"{told}")
        expect(page.locator("tr", has_text="energy_costs")).to_contain_text("changed since")
        expect(page.locator(".warning").first).to_contain_text("not in this folder: overdrawn")
        page.get_by_label("State").select_option("changed")
        page.get_by_role("button", name="Show").click()
        assert page.locator("tbody tr").count() == 1


def test_a_customer_has_a_feed_every_rule_and_the_reasons(
    browser: Browser, console: Served
) -> None:
    shown = json.loads(command("feed", PERSON, "--store", console.store, "--format", "json"))
    with opened(browser, console) as page:
        page.get_by_role("link", name="Customers").click()
        page.get_by_label("Name begins with").fill(PERSON)
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name=PERSON).click()
        because(page)
        assert page.locator(".cards h3").all_inner_texts() == [one["title"] for one in shown]
        results = page.locator("section").nth(1)
        apply, others = results.locator("tbody tr"), results.locator("details li")
        assert apply.count() + others.count() == len(RULES) + 1
        expect(others.first).to_be_hidden()
        results.get_by_text("not apply").click()
        expect(others.first).to_be_visible()
        page.get_by_role("link", name="Why").first.click()
        expect(page.locator(".headline")).to_contain_text(f"{PERSON} qualifies")
        expect(page.locator("table.clauses tbody tr").first).to_be_visible()


def test_the_nights_count_each_rule_beside_the_night_before(
    browser: Browser, console: Served
) -> None:
    with opened(browser, console) as page:
        page.get_by_role("link", name="Nights").click()
        assert [*page.locator("table").first.locator("tbody th").all_inner_texts()] == [
            NIGHT, "2026-06-29",
        ]  # fmt: skip
        row = page.locator("tr", has_text="The week in review")
        told = console.counted("week_in_review")["qualified"]
        counted = re.compile(rf"^{told}\s*before \d+$")
        expect(row.locator("td[data-label='Qualified']")).to_have_text(counted)
        expect(row.locator("td[data-label='Night before']")).not_to_have_text("not known")
        expect(row.get_by_role("img")).to_have_count(1)


def test_a_run_is_followed_while_it_goes_on_and_past_ones_are_replayed(
    browser: Browser, console: Served
) -> None:
    run = RunRecord("run1", day("2026-07-01"), "x", ("p:0-6", "p:6-12"), started=NOW - 2_000)
    with StoreFolder(console.store).results() as kept, opened(browser, console) as page:
        kept.start(run)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{console.address}/nights")
        followed = page.locator("#run [role=status]")
        expect(followed).to_have_text("0 of 12 customers.")
        with kept.completing("run1", "p:0-6", Tally(6)):
            pass
        expect(followed).to_contain_text("6 of 12 customers, 3 a second, about 2 s left.")
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            picture(page, f"running-{width}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).violations_count == 0
        with kept.completing("run1", "p:6-12", Tally(6)):
            pass
        kept.finish("run1", NOW)
        expect(followed).to_have_count(0)
        assert sum("/nights/events" in url for url in asked) == 1, "it has not reconnected"
        page.get_by_role("button", name=f"Replay the night of {NIGHT}").click()
        expect(page.get_by_text("The replay found what the night found.")).to_be_visible()
        picture(page, "replay")
        assert Axe().run(page).violations_count == 0


def test_the_pages_are_accessible_and_fit_the_screen(browser: Browser, console: Served) -> None:
    broken = console.rules / "bank_fees.yaml"
    broken.write_text(
        broken.read_text().replace(
            '40 + total(payments[category = "bank fee"',
            '40 + total(payments[category = "bank fees"',
        )
    )
    paths = {
        "rules": "/",
        "new": "/new",
        "rule": "/rule?name=bank_fees",
        "form-rule": "/rule?name=travel_heavy",
        "file": "/rule?name=bank_fees&view=file",
        "customers": "/customers",
        "why": f"/customer?customer={PERSON}",
        "customer": f"/customer?customer={PERSON}",
        "reason": f"/reason?customer={PERSON}&rule=week_in_review",
        "nights": "/nights",
        "relevance": "/relevance",
        "error": "/rule?name=nothing",
    }
    with opened(browser, console, 404) as page:
        for name, path in paths.items():
            page.goto(f"{console.address}{path}")
            page.locator("main").wait_for()
            if name == "customer":
                because(page)
            if path.startswith("/rule?") and name != "error":
                page.locator("#preview:not(.old) .headline").wait_for()
                page.get_by_role("button", name=re.compile("^Why C")).first.click()
                page.locator(".reasons .headline").wait_for()
            check_on_screens(page, name)


def test_the_editor_works_by_keyboard_alone(browser: Browser, console: Served) -> None:
    file = console.rules / "bank_fees.yaml"
    with opened(browser, console) as page:
        page.goto(console.rule("bank_fees"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reach(page, "document.activeElement.id === 'when'")
        page.keyboard.press("Control+A")
        page.keyboard.type("count(paym")
        page.get_by_role("listbox").wait_for()
        page.keyboard.press("Escape")
        expect(page.get_by_role("listbox")).to_have_count(0)
        page.keyboard.press("Control+Space")
        page.get_by_role("option", name="payments").wait_for()
        page.keyboard.press("Enter")
        page.keyboard.type(") > 2")
        expect(page.get_by_label("Condition", exact=True)).to_have_value("count(payments) > 2")
        page.keyboard.press("Tab")
        button = page.evaluate("document.activeElement.value")
        assert button == "rows when", "Tab leaves the field"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "score"
        for _ in range(10):
            page.keyboard.press("Shift+Tab")
            if page.evaluate("document.activeElement.value") == "save":
                break
        page.keyboard.press("Enter")
        expect(page.get_by_text("Saved.")).to_be_visible()
    assert "when: count(payments) > 2\n" in file.read_text()


def because(page: Page) -> None:
    """Say why a customer is opened."""
    page.get_by_label("a complaint").check()
    page.get_by_role("button", name="Open").click()


def reach(page: Page, condition: str) -> None:
    """Press Tab until a condition holds."""
    for _ in range(40):
        if page.evaluate(condition):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"never {condition}")


def test_texts_of_windows_are_checked_at_the_same_places(console: Served) -> None:
    form = {"view": "form", "id": "a", "kind": "tip", "title": "A", "score": "1",
            "message.title": "a", "message.body": "b",
            "when": 'true\r\nand count(payments[catgory = "x"]) > 1'}  # fmt: skip
    with client(console) as asked:
        told = asked.post("/check?name=a", data=form).json()
    (mark,) = told["marks"]
    text = form["when"].replace("\r\n", "\n")
    assert text[mark["start"] : mark["end"]] == "catgory"


@contextlib.contextmanager
def client(console: Served, **headers: str) -> Iterator[httpx2.Client]:
    """Yield a client that has the key, and sends forms as the page does unless told otherwise."""
    sent = headers or {"Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=console.address, headers=sent) as asked:
        asked.get(f"/?key={KEY}")
        yield asked


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://example.com"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
    ],
)
def test_forms_of_other_sites_are_refused(
    console: Served, headers: dict[str, str], status: int
) -> None:
    with client(console, **headers) as asked:
        found = asked.post("/rule?name=bank_fees", data={"view": "form", "do": "save"})
        assert found.status_code == status


def test_the_console_is_for_whoever_has_its_address(console: Served) -> None:
    with httpx2.Client(base_url=console.address) as asked:
        for path in ("/", "/static/editor.js", "/rule?name=bank_fees", "/?key=wrong"):
            assert asked.get(path).status_code == 403
    with client(console) as asked:
        found = asked.get("/rule?name=bank_fees")
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert " style=" not in found.text


FILE = "text=id: x%0Akind: tip%0Atitle: x%0Awhen: 'true'%0Ascore: 1%0Amessage: {title: a, body: b}"


@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("/rule?name=../store/facts", f"view=file&base=x&{FILE}&do=save", "is no name for a rule"),
        ("/rule?name=x/y", f"view=file&base=&{FILE}&do=save", "is no name for a rule"),
        ("/rule?name=a", "message=1&message.title=2", "contradicts another one"),
        ("/rule?name=a", "message.titel=2", "this is no form of a rule"),
        ("/rule?name=a", "when.all.0.what=1", "this is no form of a rule"),
        ("/rule?name=a", "title=a&do=remove+when.all.7", "the form has no such place"),
        ("/rule?name=a", "title=a&do=explode", "is no action of this form"),
        ("/rule?name=a", "title=a&do=fix+when", "the form has no such place"),
        ("/complete", "text=a&position=x", "a number is expected"),
        ("/complete", f"text=a&position={'9' * 5000}", "a number is expected"),
        ("/rule?name=a", f"when.all.{'9' * 5000}=1", "the form has no field"),
        ("/check?name=a", "title=a&title=b", "once"),
    ],
)  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused(
    console: Served, path: str, form: str, message: str
) -> None:
    before = {file: file.read_bytes() for file in console.rules.parent.rglob("*.yaml")}
    with client(console) as asked:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        found = asked.post(path, content=form.encode(), headers=kind)
        assert 400 <= found.status_code < 500
        assert message in found.text
    assert {file: file.read_bytes() for file in console.rules.parent.rglob("*.yaml")} == before


def test_the_command_copies_the_catalogue_and_prints_the_address(
    made: Path, tmp_path: Path
) -> None:
    port, rules = free_port(), tmp_path / "rules"
    words = ("serve", "console", "--store", made / "store", "--rules", rules, "--port", str(port))
    server = Server([sys.executable, "-m", "tuppence", *words], port, tmp_path / "log")
    server.start()
    try:
        said = server.log.read_text()
        address = re.search(r"open (http://127.0.0.1:\S+)", said)
        assert address is not None
        found = httpx2.get(address[1], follow_redirects=True, timeout=PATIENCE)
    finally:
        server.stop()
    assert found.status_code == 200
    assert "Bank fees were charged" in found.text
    assert "copied from the catalogue" in said
    assert {path.name for path in rules.iterdir()} == {
        path.name for path in (ROOT / "catalogue").glob("*.yaml")
    }


def test_the_catalogue_is_not_copied_for_a_store_that_is_missing(tmp_path: Path) -> None:
    words = ("serve", "console", "--store", tmp_path / "none", "--rules", tmp_path / "rules")
    assert "there is no store here" in command(*words, status=1)
    assert not (tmp_path / "rules").exists()
