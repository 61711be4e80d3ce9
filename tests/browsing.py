"""A browser of the system for tests of pages, and what every page must keep."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from axe_playwright_python.sync_playwright import Axe
from local.servers import PATIENCE
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM: Final = shutil.which("chromium")
LIMIT: Final = PATIENCE * 1_000
"""Milliseconds that a test waits for the browser."""
PICTURES: Final = os.environ.get("TUPPENCE_PICTURES")
"""A folder for pictures of the pages, to be looked at."""


Scheme = Literal["light", "dark"]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser."""
    expect.set_options(timeout=LIMIT)
    with sync_playwright() as running:
        options: dict[str, Any] = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
        browser = running.chromium.launch(**options)
        yield browser
        browser.close()


@contextlib.contextmanager
def window(browser: Browser, address: str, *refused: int, **options: Any) -> Iterator[Page]:
    """Open a window; nothing may leave the machine, and no policy be violated.

    Args:
        browser: The browser.
        address: The only address that may be asked.
        refused: Statuses of pages that the test expects, which the browser reports.
        options: Options of the window.
    """
    asked: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, **options}
    context = browser.new_context(**asked)
    page = context.new_page()
    page.set_default_timeout(LIMIT)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.route(
        lambda url: not url.startswith(address),
        lambda route: said.append(route.request.url),
    )
    yield page
    context.close()
    expected = [f"status of {status}" for status in refused]
    assert [one for one in said if not any(part in one for part in expected)] == []


def picture(page: Page, name: str, *, full_page: bool = True) -> None:
    """Take a picture of a page, if a folder is named for it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=full_page)


def check_page(page: Page, width: int) -> None:
    """Check that a page fits a width, and that axe finds nothing."""
    page.wait_for_load_state()  # with its styles, also after a form was sent
    across = page.evaluate("document.documentElement.scrollWidth")
    assert across <= width, f"{page.url} is {across} wide"
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"


def check_on_screens(page: Page, name: str, *screens: tuple[int, Scheme]) -> None:
    """Check a page as screens show it: by default as a large light one and a small dark one do.

    Args:
        page: The page.
        name: Its name, for pictures.
        screens: The width and the colours of each screen.
    """
    for width, scheme in screens or ((1280, "light"), (400, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        check_page(page, width)
        picture(page, f"{name}-{width}-{scheme}")
