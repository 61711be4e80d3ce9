"""The console of a team in a real browser: who may do what, reviews and publications."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browsing import CHROMIUM, check_page, picture, window
from tests.building import copy_rules, day
from tests.commands import command
from tests.serving import served

from tuppence.adapters.postgres.definitions import Definitions
from tuppence.adapters.postgres.team import put_person
from tuppence.bootstrap.console import team_console
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY
from tuppence.rules.definition import Definition
from tuppence.structured import read_yaml
from tuppence.usecases.team import LOCAL_ISSUER, Person
from tuppence.usecases.team_policy import Needed, TeamPolicy

NIGHT: Final = "2026-06-30"
NOW: Final = day(NIGHT) * DAY + DAY // 2
RULES: Final = ("bank_fees", "week_in_review", "energy_costs")
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of nobody
PEOPLE: Final = {
    "ann": ("author",),
    "bob": ("author", "reviewer"),
    "rae": ("reviewer",),
    "pat": ("publisher",),
    "all": ("author", "operator", "publisher", "reviewer", "support"),
}
POLICY: Final = TeamPolicy(approvers=[Needed(2, percent=60)])
"""Rules that most qualify for need two people, such as the week in review."""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


class Served:
    """A console of a team."""

    def __init__(self, address: str) -> None:
        self.address = address

    def path(self, path: str) -> str:
        return f"{self.address}{path}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 60, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", NIGHT)
    return folder


@pytest.fixture
def console(
    made: Path, tmp_path: Path, database: str, login: Callable[..., str]
) -> Iterator[Served]:
    url = login("console", "service")
    for name, roles in PEOPLE.items():
        put_person(database, name, name.capitalize(), PASSWORD, roles)
    definitions = Definitions(url)
    by, other = (Person(LOCAL_ISSUER, name, name, frozenset()) for name in ("zoe", "zak"))
    for rule in ("bank_fees", "week_in_review"):
        given = read_yaml(made / "rules" / f"{rule}.yaml", Definition).value
        definitions.acting(by).draft_from(given, 0, "from the catalogue")
        definitions.acting(by).step(rule, 1, "in_review", "please")
    found = {one.rule_id: one.reviewed for one in definitions.latest()}
    definitions.acting(other).approve([found["bank_fees"]], "", "checked")
    app = team_console(
        made / "store", url, None, PURPOSES, 1_000_000_000, lambda: NOW, POLICY,
        "http://console.test", str(tmp_path / "rulesets"), (), "", None,
    )  # fmt: skip
    with served(app) as port:
        yield Served(f"http://127.0.0.1:{port}")


def sign_in(page: Page, console: Served, name: str) -> None:
    """Sign in; whoever is signed in signs out first."""
    page.goto(console.path("/sign-in"))
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rules")


def test_a_rule_is_written_reviewed_published_and_taken_back(
    browser: Browser, console: Served
) -> None:
    with window(browser, console.address, 422) as page:
        sign_in(page, console, "bob")
        page.get_by_role("link", name="Bank fees were charged").click()
        page.get_by_label("Title, for those who maintain the rules").fill("Fees of a bank")
        page.get_by_label("Reason for the change").fill("a better title")
        page.get_by_role("button", name="Save draft").click()
        page.get_by_role("link", name="Send it for review").click()
        page.get_by_label("Reason", exact=True).fill("please look")
        page.get_by_role("button", name="Send for review").click()
        picture(page, "versions")
        page.goto(console.path("/review?rule=bank_fees"))
        expect(page.get_by_text("you have changed it since")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()

        sign_in(page, console, "rae")
        page.get_by_role("link", name="Reviews").click()
        page.get_by_role("link", name="Fees of a bank").click()
        expect(page.locator("ins")).to_have_text("Fees of a bank")
        expect(page.locator("del")).to_have_text("Bank fees were charged")
        expect(page.locator("#preview .headline")).to_contain_text("of 60 customers qualify")
        picture(page, "review")
        page.get_by_label("Your comment").fill("shorter, good")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("approved", exact=False).first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()

        sign_in(page, console, "pat")
        page.get_by_role("link", name="Publish").click()
        expect(page.locator("tbody tr")).to_contain_text("Fees of a bank")
        picture(page, "publish")
        page.get_by_role("button", name="Publish these changes").click()
        expect(page.get_by_text("No engines were named")).to_be_visible()
        expect(page.get_by_text("Nothing would change.")).to_be_visible()
        page.get_by_role("link", name="Audit").click()
        actions = page.locator("td[data-label=What]").all_inner_texts()
        assert [one.split()[0] for one in actions[:5]] == [
            "published", "approved", "agreed", "in", "draft",
        ]  # fmt: skip
        page.get_by_role("button", name="Sign out").click()

        sign_in(page, console, "bob")
        page.goto(console.path("/versions?name=bank_fees"))
        page.get_by_label("Reason", exact=True).fill("the old title was better")
        page.get_by_role("button", name="Restore version 3").click()
        expect(page.locator("tbody tr").first).to_contain_text("draft")
        page.goto(console.path("/versions?name=bank_fees&version=7"))
        expect(page.locator("del")).to_have_text("Fees of a bank")


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
            page.get_by_role("button", name="Sign out").click()


def test_without_scripts_a_rule_is_written_and_sent_for_review(
    browser: Browser, console: Served
) -> None:
    with window(browser, console.address, java_script_enabled=False) as page:
        sign_in(page, console, "ann")
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
        expect(page.get_by_text("it takes a reviewer")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_the_pages_of_a_team_are_accessible_and_fit_the_screen(
    browser: Browser, console: Served, scheme: str, width: int
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
    size = {"width": width, "height": 900}
    with window(browser, console.address, viewport=size, color_scheme=scheme) as page:
        page.goto(console.path("/sign-in?to=/reviews"))
        check_page(page, width)
        picture(page, f"team-sign-in-{width}-{scheme}")
        sign_in(page, console, "all")
        for name, path in paths.items():
            page.goto(console.path(path))
            page.locator("main").wait_for()
            if name == "edit":
                page.locator("#preview:not(.old) .headline").wait_for()
            picture(page, f"team-{name}-{width}-{scheme}")
            check_page(page, width)
