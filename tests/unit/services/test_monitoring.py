"""Ids and log lines of requests to a service."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from local.servers import PATIENCE
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.serving import connect, head, log_lines, served
from tests.waiting import wait_until

from tuppence import logs
from tuppence.errors import UserError
from tuppence.services import readiness
from tuppence.services.access import BearerTokens, digest
from tuppence.services.application import application
from tuppence.services.metrics import Metrics
from tuppence.services.metrics_log import MetricsLog

TOKEN = {"Authorization": "Bearer secret"}
CUSTOMER = "C0000007"


def service(begun: threading.Event | None = None) -> Starlette:
    """A service whose requests end well, are refused, fail, or set `begun` and never end."""

    async def good(request: Request) -> Response:
        logs.bind(run_id="night")
        del request
        return Response(await run_in_threadpool(logs.request_id))

    async def refused(request: Request) -> Response:
        raise UserError("facts.unknown-customer", f"no customer {request.path_params['customer']}")

    async def bug(request: Request) -> Response:
        raise KeyError(request.path_params["customer"])

    async def failing(request: Request) -> Response:
        raise UserError(request.path_params["code"], "it does not work now")

    async def endless(request: Request) -> Response:
        del request
        if begun is not None:
            begun.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def check() -> None:
        return

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [
        Route("/good/{customer}", good),
        Route("/refused/{customer}", refused),
        Route("/bug/{customer}", bug),
        Route("/endless/{customer}", endless),
        Route("/failing/{code}", failing),
    ]
    return application(
        routes, check, Metrics("test"), BearerTokens({digest("secret"): "app"}), 9, lifespan
    )


def ask(path: str, headers: dict[str, str]) -> tuple[httpx2.Response, list[dict[str, Any]]]:
    """Return the answer to a request, and the lines that were logged of it."""
    with log_lines() as lines, served(service()) as port:
        answer = httpx2.get(f"http://127.0.0.1:{port}{path}", headers=headers, trust_env=False)
    assert CUSTOMER not in json.dumps(lines)
    assert lines.pop(0)["event"] == "ready"
    return answer, lines


def test_a_request_keeps_its_id_and_its_line_tells_what_became_of_it() -> None:
    answer, (line,) = ask(f"/good/{CUSTOMER}", TOKEN | {"X-Request-Id": "order-7"})
    assert answer.headers.get_list("x-request-id") == ["order-7"]
    assert answer.text == "order-7", "threads know the id, too"
    assert 0 < line.pop("duration") < 60
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "service": "test",
        "event": "request",
        "request_id": "order-7",
        "run_id": "night",
        "method": "GET",
        "path": "/good/{customer}",
        "status": 200,
        "caller": "app",
    }


@pytest.mark.parametrize("given", ["", "two words", "x" * 101, "-a", "a\tb", "id=1", None])
def test_a_request_without_a_well_formed_id_gets_a_new_one(given: str | None) -> None:
    headers = TOKEN if given is None else TOKEN | {"X-Request-Id": given}
    answer, (line,) = ask(f"/good/{CUSTOMER}", headers)
    made = answer.headers["x-request-id"]
    assert len(made) == 32
    assert made == line["request_id"] == answer.text


def test_a_refusal_is_logged_with_its_code() -> None:
    answer, (line,) = ask(f"/refused/{CUSTOMER}", TOKEN)
    assert answer.status_code == 404
    assert (line["status"], line["code"]) == (404, "facts.unknown-customer")
    assert line["level"] == "INFO"


@pytest.mark.parametrize(
    ("code", "level", "errors", "busy"),
    [
        ("service.busy", "WARNING", 0, 1),
        ("service.timeout", "WARNING", 0, 1),
        ("caller.busy", "WARNING", 0, 1),
        ("database.unreachable", "ERROR", 1, 0),
        ("rules.unknown", "INFO", 0, 0),
    ],
)
def test_what_is_put_off_is_no_error(code: str, level: str, errors: int, busy: int) -> None:
    app = service()
    with log_lines() as lines, served(app) as port:
        where = f"http://127.0.0.1:{port}/failing/{code}"
        httpx2.get(where, headers=TOKEN, trust_env=False)
    fields = MetricsLog(app.state.metrics).fields(1_000)
    assert (fields["errors_total"], fields["busy_total"]) == (errors, busy)
    assert lines[-1]["level"] == level


def test_a_bug_is_logged_with_its_place_and_the_id_that_was_answered() -> None:
    answer, lines = ask(f"/bug/{CUSTOMER}", TOKEN)
    assert answer.status_code == 500
    request, trace = lines
    assert (request["status"], request["level"]) == (500, "ERROR")
    assert trace["error"] == ["KeyError"]
    assert trace["stack"][-1].startswith("services/test_monitoring.py:")
    assert {one["request_id"] for one in lines} == {answer.headers["x-request-id"]}


@pytest.mark.parametrize("path", ["/healthz", "/good/ann"])
def test_requests_without_a_token_get_an_id_and_are_not_logged(path: str) -> None:
    answer, lines = ask(path, {})
    assert answer.headers["x-request-id"]
    assert lines == []


def test_a_request_whose_caller_disconnects_is_logged() -> None:
    begun = threading.Event()
    with log_lines() as lines, served(service(begun)) as port:
        with connect(port) as connection:
            connection.sendall(head("GET", "/endless/ann", "Authorization: Bearer secret"))
            assert begun.wait(PATIENCE)
        metrics = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: 'status="499"' in httpx2.get(metrics, trust_env=False).text)
    _, line = lines
    assert (line["status"], line["path"]) == (499, "/endless/{customer}")


def test_readiness_is_logged_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)  # each question is answered anew
    outcomes = [None, None, UserError("database.unreachable", "gone"), None]

    async def check() -> None:
        error = outcomes.pop(0)
        if error is not None:
            raise error

    async def ask_often() -> list[str]:
        asked, seen = readiness.Readiness(check), []
        while outcomes:
            try:
                await asked.check()
                seen.append("")
            except UserError as error:
                seen.append(error.code)
            await asyncio.sleep(0)
        return seen

    with log_lines() as lines:
        assert asyncio.run(ask_often()) == ["", "", "database.unreachable", ""]
    assert [line["event"] for line in lines] == ["ready", "not ready", "ready"]
    assert lines[1]["code"] == "database.unreachable"
