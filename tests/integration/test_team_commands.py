"""The commands of a team's console."""

import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from local.servers import PATIENCE, Server, free_port
from tests.conftest import Run

Ask = Callable[..., list[tuple[object, ...]]]


def test_people_are_added_and_removed(
    tuppence: Run, database: str, rows_of: Ask, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("correct horse battery")
    person = ("database", "person", "ann", "--database", database)
    added = ("--role", "author", "--role", "support", "--password", "secret", "--shown", "Ann A.")
    assert tuppence(*person, *added).stdout == "ann: author, support\n"
    found = rows_of("SELECT name, shown, roles FROM tuppence.console_users")
    assert found == [("ann", "Ann A.", ["author", "support"])]
    tuppence(*person, "--role", "author", status=2)
    tuppence(*person, "--remove", "--role", "author", status=2)
    assert tuppence(*person, "--remove").stdout == "ann: removed\n"
    assert tuppence(*person, "--remove").stdout == "ann: nobody\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rulesets", "rulesets"), "add --database"),
        (("--host", "0.0.0.0"), "add --database"),  # noqa: S104 - which is refused
        (("--database", "postgresql://x@127.0.0.1/x", "--rules", "rules"), "leave out --rules"),
        (("--database", "postgresql://x@127.0.0.1/x", "--team", "none.yaml"), "none.yaml"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tuppence: Run, store: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in tuppence("serve", "console", "--store", store, *options, status=1).stderr


def test_the_command_serves_a_team(store: Path, login: Callable[..., str], tmp_path: Path) -> None:
    port, url = free_port(), login("console", "service")
    words = ("serve", "console", "--store", store, "--database", url, "--port", str(port))
    server = Server([sys.executable, "-m", "tuppence", *words], port, tmp_path / "log")
    server.start()
    try:
        found = httpx2.get(f"http://127.0.0.1:{port}/", follow_redirects=True, timeout=PATIENCE)
        said = server.log.read_text()
    finally:
        server.stop()
    assert (found.status_code, found.url.path) == (200, "/sign-in")
    assert "Password" in found.text
    assert f"open http://127.0.0.1:{port}\n" in said
