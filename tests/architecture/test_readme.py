"""Checks the README as the package index shows it, its pictures, and the menu of the site."""

import re
import tomllib
from pathlib import Path

import pytest
from docs import picture
from tests.building import ROOT

REPOSITORY = re.compile(
    r"https://(?:github\.com/tuppence/tuppence/(?:blob|tree)"
    r"|raw\.githubusercontent\.com/tuppence/tuppence)/main/(.+)"
)


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


def test_every_link_of_the_readme_is_absolute_and_leads_to_a_file_of_the_repository() -> None:
    targets = links(ROOT / "README.md")
    assert len(targets) > 30
    for target in targets:
        found = REPOSITORY.fullmatch(target)
        assert found, f"{target} is relative, or leads elsewhere"
        path, _, anchor = found[1].partition("#")
        assert (ROOT / path).exists(), target
        assert not anchor or anchor in anchors(ROOT / path), target


def test_the_chart_of_speeds_shows_the_measured_figures() -> None:
    drawn = picture.speed_picture(list(picture.measured()))
    assert (ROOT / "docs/speed.svg").read_text("utf-8") == drawn
    assert len(list(picture.measured())) == len(picture.NAMES)


@pytest.mark.long
def test_the_picture_of_a_feed_shows_what_the_commands_print() -> None:
    drawn = picture.feed_picture(*picture.answers())
    assert (ROOT / "docs/feed.svg").read_text("utf-8") == drawn


def test_the_menu_of_the_site_lists_every_page_except_single_decisions() -> None:
    menu = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    parts = [part for entry in menu for part in entry.values()]
    named = [page for part in parts for page in ([part] if isinstance(part, str) else part)]
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(named) == sorted(page for page in pages if not page.startswith("adr/0"))
