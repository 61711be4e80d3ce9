"""The client of our services: what it refuses to send."""

from pathlib import Path

import pytest
from tests.conftest import Run

from tuppence.adapters.engines import discover
from tuppence.adapters.relay import Relay
from tuppence.errors import UserError


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "is missing"),
        ("two words", "is not one word of ASCII characters"),
        ("line\nline", "is not one word of ASCII characters"),
        ("t\u00f6ken", "is not one word of ASCII characters"),
    ],
)
def test_a_token_that_no_header_can_carry_is_refused(token: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"the token for the engine {reason}") as raised:
        discover(["http://127.0.0.1:9"], token)
    assert raised.value.code == "access.token"
    with pytest.raises(UserError, match=f"the token for the relay {reason}"):
        Relay("http://127.0.0.1:9", token)


def test_dispatching_with_an_empty_token_is_refused(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    services = ("--relay", "http://127.0.0.1:9", "--engines", "http://127.0.0.1:9")
    tokens = ("--relay-token", "empty", "--token", "empty")
    night = ("--ruleset", "0" * 16, "--as-of", "2026-06-30", "--ledger", "night.sqlite")
    done = tuppence("dispatch", *services, *tokens, *night, "--run-id", "night", status=1)
    assert "error[access.token]: the token for the relay is missing" in done.stderr
