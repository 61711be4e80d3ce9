"""Checks the guard of pages on one machine."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tuppence.services.pages import PageGuard


def guarded(key: str) -> TestClient:
    async def page(_: Request) -> Response:
        return PlainTextResponse(f"page of {key}")

    guard = Middleware(PageGuard, key=key, cookie="tuppence-console", command="console")
    return TestClient(Starlette(routes=[Route("/", page)], middleware=[guard]))


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_two_services_on_one_host_keep_their_own_cookies(order: tuple[str, str]) -> None:
    clients = {key: guarded(key) for key in ("one", "two")}
    jar: dict[str, str] = {}  # of the host: browsers send its cookies to every port
    for key in order:
        clients[key].get(f"/?key={key}")
        jar |= dict(clients[key].cookies)
    for key, client in clients.items():
        client.cookies.clear()
        client.cookies.update(jar)
        assert client.get("/").text == f"page of {key}"
    assert len(jar) == 2
    assert all(key not in name for key in clients for name in jar), "a name tells no key"
