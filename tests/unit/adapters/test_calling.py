"""The client of our services: its tokens, and the ids of requests."""

import contextvars
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.conftest import Run
from tests.serving import served

from tuppence import logs
from tuppence.adapters.engines import discover
from tuppence.adapters.relay import Relay
from tuppence.errors import UserError
from tuppence.feel.values import Date


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "is missing"),
        ("two words", "is not one word of ASCII characters"),
        ("line\nline", "is not one word of ASCII characters"),
        ("t\u00f6ken", "is not one word of ASCII characters"),
    ],
)
def test_a_malformed_token_is_refused(token: str, reason: str) -> None:
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


@pytest.mark.parametrize("request_id", ["order-7", None])
def test_requests_carry_the_id_of_the_request_that_is_worked_on(request_id: str | None) -> None:
    received: list[str | None] = []

    async def page(request: Request) -> Response:
        received.append(request.headers.get("x-request-id"))
        return Response('{"customers": []}')

    def ask() -> None:
        if request_id is not None:
            logs.begin(request_id)
        relay = Relay(f"http://127.0.0.1:{port}", "token")
        relay.page("", Date(0), 1)
        relay.close()

    with served(Starlette(routes=[Route("/v1/customers", page)])) as port:
        contextvars.Context().run(ask)
    assert received == [request_id]
