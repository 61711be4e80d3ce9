"""The console of a team in a real browser: who may do what, reviews and publications."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browsing import CHROMIUM, check_on_screens, picture, window
from tests.building import ROOT, copy_rules, day
from tests.commands import command
from tests.serving import served

from tuppence.adapters.postgres.definitions import Definitions
from tuppence.adapters.postgres.team import put_person
from tuppence.bootstrap.console import team_console
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY
from tuppence.rules.definition import Definition
from tuppence.rules.rule import Approval, Message, Offer
from tuppence.structured import read_yaml
from tuppence.usecases.team import LOCAL_ISSUER, Person
from tuppence.usecases.team_policy import Needed, TeamPolicy

NIGHT: Final = "2026-06-30"
NOW: Final = day(NIGHT) * DAY + DAY // 2
RULES: Final = ("bank_fees", "week_in_review", "energy_costs")
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of nobody
PEOPLE: Final = {
    "ann": ("author",),
    "bob": ("author", "reviewer", "publisher"),
    "rae": ("reviewer",),
    "all": ("author", "operator", "publisher", "reviewer", "support"),
}
POLICY: Final = TeamPolicy(approvers=[Needed(2, percent=60)])
"""Rules that most qualify for need two people, such as the week in review."""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


class Served:
    """A console of a team."""

    def __init__(self, address: str, definitions: Definitions) -> None:
        self.address, self.definitions = address, definitions

    def path(self, path: str) -> str:
        return f"{self.address}{path}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 60, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", NIGHT)
    return folder


@pytest.fixture(scope="module")
def with_people(new_template: Callable[[str], str]) -> str:
    """Return the name of a database with all people: it takes long to hash passwords."""
    url = new_template("team_console")
    for name, roles in PEOPLE.items():
        put_person(url, name, name.capitalize(), PASSWORD, roles)
    return "team_console"


@pytest.fixture
def database(new_database: Callable[[str], str], with_people: str) -> str:
    return new_database(with_people)


@pytest.fixture
def console(made: Path, tmp_path: Path, login: Callable[..., str]) -> Iterator[Served]:
    url = login("console", "service")
    definitions = Definitions(url)
    by, other = (Person(LOCAL_ISSUER, name, name, frozenset()) for name in ("zoe", "zak"))
    for rule in ("bank_fees", "week_in_review"):
        given = read_yaml(made / "rules" / f"{rule}.yaml", Definition).value
        if rule == "week_in_review":  # a date in the future does not lower the number of approvers
            given = msgspec.structs.replace(given, valid_from="2031-01-01")
        definitions.acting(by).draft_from(given, 0, "from the catalogue")
        definitions.acting(by).step(rule, 1, "in_review", "please")
    found = {one.rule_id: one.reviewed for one in definitions.latest()}
    definitions.acting(other).approve([found["bank_fees"]], "", "checked")
    app = team_console(
        made / "store", url, None, PURPOSES, 1_000_000_000, lambda: NOW, POLICY,
        "http://console.test", str(tmp_path / "rulesets"), (), "", None,
    )  # fmt: skip
    with served(app) as port:
        yield Served(f"http://127.0.0.1:{port}", definitions.acting(by))


def sign_in(page: Page, console: Served, name: str) -> None:
    """Sign in; whoever is signed in signs out first."""
    page.goto(console.path("/sign-in"))
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rules")


def leave(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def publish(page: Page, line: str) -> str:
    """Publish what the page shows; return the ruleset."""
    page.get_by_role("link", name="Publish").click()
    expect(page.locator("main")).to_contain_text(line)
    page.get_by_role("button", name="Publish these changes").click()
    expect(page.get_by_text("Nothing would change.")).to_be_visible()
    return page.locator(".done code").inner_text()


def test_the_tutorial_writes_tests_reviews_and_publishes_an_insight(
    browser: Browser, console: Served
) -> None:
    text = (ROOT / "docs/tutorial/first-insight.md").read_text()
    told = re.findall(r"```text title=\"(\w+)\"\n(.*?)```", text, re.DOTALL)
    parts = {name: part.strip() for name, part in told}
    with window(browser, console.address) as page:
        sign_in(page, console, "ann")
        page.get_by_role("link", name="New rule").click()
        page.get_by_label("Title, for those").fill("Transport costs more than food")
        page.get_by_label("Identifier").fill("travel_heavy")
        page.get_by_label("in FEEL").check()
        page.get_by_role("button", name="Begin").click()
        page.get_by_label("Condition", exact=True).fill(parts["condition"])
        page.get_by_label("Title", exact=True).fill(parts["title"])
        page.get_by_label("Text", exact=True).fill(parts["body"])
        page.get_by_label("Test customers").fill(parts["tests"])
        expect(page.locator("#preview:not(.old)")).to_contain_text("2 of 2 as expected")
        expect(page.locator("#written")).to_contain_text(parts["title"])
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        picture(page, "tutorial-write", full_page=False)
        page.get_by_role("button", name="Save draft").click()
        page.get_by_role("link", name="Send it for review").click()
        page.get_by_label("Reason", exact=True).fill("my first insight")
        page.get_by_role("button", name="Send for review").click()
        leave(page)

        sign_in(page, console, "bob")
        page.get_by_role("link", name="Reviews").click()
        page.get_by_role("link", name="Transport costs more than food").click()
        expect(page.locator("#preview .headline")).to_contain_text("of 60 customers qualify")
        expect(page.locator("ins", has_text="You spent more")).to_be_visible()
        picture(page, "tutorial-review", full_page=False)
        page.get_by_label("Your comment").fill("clear and true")
        page.get_by_role("button", name="Approve").click()
        expect(page.locator(".heading")).to_contain_text("version 3, approved")
        page.get_by_role("link", name="Publish").click()
        expect(page.locator("main")).to_contain_text("µs a customer")
        picture(page, "tutorial-publish", full_page=False)
        first = publish(page, "Transport costs more than food")

        page.goto(console.path("/versions?name=bank_fees"))
        page.get_by_label("Reason", exact=True).fill("no longer true")
        page.get_by_role("button", name="Retire").click()
        expect(page.locator("tbody tr").first).to_contain_text("retired")
        second = publish(page, "1 go")
        page.get_by_role("button", name=f"Publish it again {first}").click()
        expect(page.locator(".done code")).to_have_text(first)
        page.get_by_role("link", name="Audit").click()
        actions = page.locator("td[data-label=What]").all_inner_texts()
        assert actions[:6] == [
            f"published {first}", f"published {second}", "retired bank_fees 4",
            f"published {first}", "approved travel_heavy 3", "agreed travel_heavy 2",
        ]  # fmt: skip
        assert "messages of a rule" in page.locator("main").inner_text()


def test_what_most_people_would_see_needs_two_people_by_keyboard(
    browser: Browser, console: Served
) -> None:
    with window(browser, console.address) as page:
        for name, so_far in (("bob", 0), ("rae", 1)):
            sign_in(page, console, name)
            page.goto(console.path("/review?rule=week_in_review"))
            expect(page.locator("main")).to_contain_text(
                f"needs 2 approvals for its reach and its class; {so_far}"
            )
            page.get_by_label("Your comment").focus()
            page.keyboard.type("read")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.value") == "approve"
            page.keyboard.press("Enter")
            expect(page.get_by_text("read", exact=True)).to_have_count(so_far + 1)
            state = "version 2, in review" if name == "bob" else "version 3, approved"
            expect(page.locator(".heading")).to_contain_text(state)
            leave(page)


def test_a_promotion_is_approved_with_the_reference_of_its_approval(
    browser: Browser, console: Served
) -> None:
    rule = Definition(
        "card", "offer", "A card", "false", "1", Message("A card", "It is good."),
        communication="financial promotion", approval=Approval("Firm Ltd", "2026-06-01", "F-17"),
        offer=Offer("Firm Ltd", "18 and over."),
    )  # fmt: skip
    console.definitions.draft_from(rule, 0, "new")
    console.definitions.step("card", 1, "in_review", "please")
    with window(browser, console.address, 422) as page:
        sign_in(page, console, "rae")
        page.goto(console.path("/review?rule=card"))
        expect(page.locator("dl")).to_contain_text("Firm Ltd")
        page.get_by_label("Reference of the firm").fill("F-71")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("alert")).to_contain_text("the reference is not that")
        page.get_by_label("Reference of the firm").fill("F-17")
        page.get_by_role("button", name="Approve").click()
        expect(page.locator(".heading")).to_contain_text("version 3, approved")


def test_without_scripts_a_rule_is_written_and_sent_for_review(
    browser: Browser, console: Served
) -> None:
    with window(browser, console.address, java_script_enabled=False) as page:
        sign_in(page, console, "bob")
        page.get_by_role("link", name="Bank fees were charged").click()
        page.get_by_label("Topic").fill("charges")
        page.get_by_role("button", name="Try it").click()
        expect(page.locator(".headline")).to_contain_text("of 60 customers qualify")
        page.get_by_role("button", name="Save draft").click()
        page.get_by_role("link", name="Send it for review").click()
        page.get_by_label("Reason", exact=True).fill("please look")
        page.get_by_role("button", name="Send for review").click()
        expect(page.locator("tbody tr").first).to_contain_text("in review")
        page.get_by_role("link", name="Review", exact=True).click()
        expect(page.locator("ins")).to_have_text("charges")
        expect(page.get_by_text("you have changed it since")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_the_pages_of_a_team_are_accessible_and_fit_the_screen(
    browser: Browser, console: Served
) -> None:
    paths = {
        "rules": "/",
        "edit": "/rule?name=bank_fees",
        "versions": "/versions?name=bank_fees&version=1",
        "reviews": "/reviews",
        "review": "/review?rule=week_in_review",
        "publish": "/publish",
        "audit": "/audit",
    }
    with window(browser, console.address) as page:
        page.goto(console.path("/sign-in?to=/reviews"))
        check_on_screens(page, "team-sign-in")
        sign_in(page, console, "all")
        for name, path in paths.items():
            page.goto(console.path(path))
            if name == "edit":
                page.locator("#preview:not(.old) .headline").wait_for()
            check_on_screens(page, f"team-{name}")
