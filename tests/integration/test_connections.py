"""Checks that hostile connections to a service are limited, and do not affect good ones."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.serving import closed, connect, head, post, served, status
from tests.waiting import wait_until

from tuppence.adapters.calling import ServiceClient
from tuppence.adapters.engines import discover
from tuppence.errors import UserError
from tuppence.services.access import BearerTokens, digest
from tuppence.services.application import application
from tuppence.services.bodies import json_response
from tuppence.services.connections import ConnectionLimits
from tuppence.services.metrics import Metrics
from tuppence.services.server import read_tls
from tuppence.services.streaming import Stream

TOKEN = "Authorization: Bearer secret"  # noqa: S105 - of this test
OTHER = "Authorization: Bearer other"
SHORT = ConnectionLimits(head_seconds=0.5, body_seconds=0.5, answer_seconds=0.5, idle_seconds=0.5)


class Desk:
    """A service with a path that waits for an event, one that reads a body, and one without end."""

    def __init__(self, caller_requests: int = 100) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Event()
        routes = [
            Route("/wait", self.wait),
            Route("/body", self.body, methods=["POST"]),
            Route("/endless", self.endless),
        ]
        access = BearerTokens({digest("secret"): "one", digest("other"): "two"})
        self.app = application(
            routes, self.check, Metrics("desk"), access, caller_requests, self.lifespan
        )

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.loop = asyncio.get_running_loop()
        yield

    async def check(self) -> None:
        """Report that the service is ready."""

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.go.set)

    async def wait(self, _: Request) -> Response:
        self.begun += 1
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        return json_response("done")

    async def body(self, request: Request) -> Response:
        return json_response(len(await request.body()))

    async def endless(self, _: Request) -> Response:
        return Stream(self._chunks(), "text/plain")

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        self.begun += 1
        try:
            while True:
                yield b"x" * 100_000
        finally:
            self.ended += 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_request_is_cancelled_when_its_caller_disconnects(desk: Desk) -> None:
    with served(desk.app) as port:
        with connect(port) as caller:
            caller.sendall(head("GET", "/wait", TOKEN))
            wait_until(lambda: desk.begun == 1)
        wait_until(lambda: desk.ended == 1)
        assert not desk.go.is_set()


def test_an_answer_that_nobody_reads_is_cancelled(desk: Desk) -> None:
    with served(desk.app, SHORT) as port, connect(port) as caller:
        caller.sendall(head("GET", "/endless", TOKEN))
        wait_until(lambda: desk.begun == 1)
        wait_until(lambda: desk.ended == 1)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", id="half a head"),
        pytest.param(head("POST", "/body", TOKEN, "Content-Length: 9") + b"1", id="half a body"),
        pytest.param(head("GET", "/healthz"), id="one request and no other"),
    ],
)
def test_a_connection_that_is_too_slow_is_closed(desk: Desk, beginning: bytes) -> None:
    with served(desk.app, SHORT) as port, connect(port) as caller:
        caller.sendall(beginning)
        assert closed(caller)


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(head("GET", "/healthz", "X: " + "a" * 40_000), 431, id="a large header"),
        pytest.param(head("GET", "/" + "a" * 40_000), 431, id="a long path"),
        pytest.param(head("GET", "/healthz", *["X: a"] * 70), 431, id="many headers"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(head("GET", "/healthz?%ff"), 400, id="a query that is not UTF-8"),
        pytest.param(head("GET", "/wait", TOKEN, TOKEN), 401, id="two tokens"),
    ],
)
def test_a_malformed_request_is_refused(desk: Desk, request_bytes: bytes, expected: int) -> None:
    with served(desk.app) as port:
        with connect(port) as caller:
            caller.sendall(request_bytes)
            assert status(caller) == expected
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 10_000, id="header"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n", b"X: a\r\n" * 1_000, id="headers"),
        pytest.param(
            head("POST", "/body", "Transfer-Encoding: chunked"),
            b"2710\r\n" + b"a" * 10_000 + b"\r\n",
            id="a body without a token",
        ),
        pytest.param(
            head("POST", "/body", TOKEN, "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n",
            b"X: a\r\n" * 1_000,
            id="headers after the body",
        ),
        pytest.param(
            head("POST", "/body", TOKEN, "Transfer-Encoding: chunked"),
            b"2710\r\n" + b"a" * 10_000 + b"\r\n",
            id="a body",
        ),
    ],
)
def test_an_endless_request_is_closed(desk: Desk, beginning: bytes, more: bytes) -> None:
    limits = ConnectionLimits(body_bytes=1_000_000)
    with served(desk.app, limits) as port, connect(port) as caller:
        caller.sendall(beginning)
        with contextlib.suppress(ConnectionError):
            for _ in range(100_000_000 // len(more)):
                caller.sendall(more)
            pytest.fail("100 MB were taken")


def test_too_many_pipelined_requests_are_refused(desk: Desk) -> None:
    with served(desk.app) as port, connect(port) as caller:
        caller.sendall(head("GET", "/wait", TOKEN) * 100)
        assert closed(caller)
        wait_until(lambda: desk.ended == desk.begun)
        assert httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_a_refusal_sent_before_the_end_of_the_body_can_be_read(desk: Desk) -> None:
    with served(desk.app) as port:
        url = f"http://127.0.0.1:{port}/body"
        with httpx2.Client() as client:
            for size in (10, 500_000, 3_000_000):
                assert client.post(url, content=b"x" * size).status_code == 401
                good = client.post(url, content=b"x", headers={"Authorization": "Bearer secret"})
                assert good.status_code == 200


def test_strangers_never_block_others(desk: Desk) -> None:
    """The oldest connections without a token are closed; those that have shown a token stay."""
    with served(desk.app, ConnectionLimits(strangers=10)) as port, contextlib.ExitStack() as stack:
        known = stack.enter_context(connect(port))
        known.sendall(head("GET", "/wait", TOKEN))
        wait_until(lambda: desk.begun == 1)
        strangers = [stack.enter_context(connect(port)) for _ in range(50)]
        for stranger in strangers:
            with contextlib.suppress(ConnectionError):
                stranger.sendall(b"POST /body HTTP/1.1\r\nX: ")
        for path in ("/healthz", "/readyz"):
            assert httpx2.get(f"http://127.0.0.1:{port}{path}").status_code == 200
        assert all(closed(stranger) for stranger in strangers[:39])
        desk.release()
        assert status(known) == 200


def test_a_caller_can_have_half_of_the_connections(desk: Desk) -> None:
    with served(desk.app, ConnectionLimits(known=4)) as port, contextlib.ExitStack() as stack:

        def ask(token: str) -> int:
            connection = stack.enter_context(connect(port))
            connection.sendall(post("/body", 1, token))
            return status(connection)

        assert [ask(TOKEN) for _ in range(3)] == [200, 200, 503]
        assert ask(OTHER) == 200


def test_too_many_requests_of_one_caller_are_refused() -> None:
    desk = Desk(caller_requests=2)
    with served(desk.app) as port, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(port)) for _ in range(2)]
        for one in waiting:
            one.sendall(head("GET", "/wait", TOKEN))
        wait_until(lambda: desk.begun == 2)
        url = f"http://127.0.0.1:{port}/body"
        refused = httpx2.post(url, content=b"x", headers={"Authorization": "Bearer secret"})
        assert (refused.status_code, refused.json()["code"]) == (429, "caller.busy")
        assert refused.headers["retry-after"] == "1"
        other = httpx2.post(url, content=b"x", headers={"Authorization": "Bearer other"})
        assert other.status_code == 200
        waiting[0].close()
        wait_until(lambda: desk.ended == 1)
        again = httpx2.post(url, content=b"x", headers={"Authorization": "Bearer secret"})
        assert again.status_code == 200
        desk.release()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path, Path]:
    issued = authority.issue_cert("localhost")
    certificate, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    return certificate, key, ca


def test_connections_can_use_tls(
    desk: Desk, files: tuple[Path, Path, Path], authority: trustme.CA
) -> None:
    certificate, key, ca = files
    trusting = ssl.create_default_context(cafile=str(ca))
    limits = SHORT._replace(strangers=5)
    with (
        contextlib.ExitStack() as stack,
        served(desk.app, limits, read_tls(certificate, key)) as port,
    ):
        url = f"https://localhost:{port}/healthz"
        half = [
            stack.enter_context(connect(port)) for _ in range(20)
        ]  # they never begin a handshake
        assert httpx2.get(url, verify=trusting).status_code == 200
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            httpx2.get(url, verify=ssl.create_default_context())
        with pytest.raises(httpx2.TransportError):
            httpx2.get(url.replace("https", "http"))
        assert all(closed(one) for one in half)
        assert httpx2.get(url, verify=trusting).status_code == 200
    with served(desk.app, None, read_tls(certificate, key, ca)) as port:
        url = f"https://localhost:{port}/healthz"
        with pytest.raises(httpx2.TransportError):
            httpx2.get(url, verify=trusting)
        authority.issue_cert("caller").configure_cert(trusting)
        assert httpx2.get(url, verify=trusting).status_code == 200


def test_unusable_files_for_tls_are_refused(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    certificate, key, ca = files
    for wrong in (
        (certificate, None, None),
        (None, None, ca),
        (certificate, ca, None),
        (tmp_path / "none", key, None),
        (certificate, key, key),
    ):
        with pytest.raises(UserError) as raised:
            read_tls(*wrong)
        assert raised.value.code == "tls.files"
    assert read_tls(None, None) is None


def test_a_flood_of_connections_leaves_nothing_behind(desk: Desk) -> None:
    """Opens fifty connections of every hostile kind; all good requests succeed meanwhile."""
    url = "http://127.0.0.1:{}"
    with served(desk.app, ConnectionLimits(strangers=20)) as port, httpx2.Client() as client:
        url = url.format(port)
        before = open_files()
        hostile = [flooder(port, kind) for kind in range(50)]
        for _ in range(5):
            for path in ("/healthz", "/readyz"):
                assert client.get(url + path).status_code == 200
            good = client.post(
                url + "/body", content=b"x", headers={"Authorization": "Bearer secret"}
            )
            assert good.status_code == 200
        assert open_files() - before <= 50 + 20 + 50 + 1
        for one in hostile:
            one.close()
        wait_until(lambda: open_files() <= before + 2)  # the client's connection, and its end here
        wait_until(lambda: desk.begun == desk.ended)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def flooder(port: int, kind: int) -> socket.socket:
    """Open a hostile connection, which does one thing and stays open."""
    connection = connect(port)
    kinds = (
        b"",
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 60_000,
        head("POST", "/body", TOKEN, "Content-Length: 1000000") + b"slow",
        head("GET", "/endless", TOKEN),
        b"\x16\x03\x01garbage\r\n\r\n",
        head("GET", "/wait", TOKEN),
    )
    with contextlib.suppress(ConnectionError):
        connection.sendall(kinds[kind % len(kinds)])
    return connection


def test_clients_check_the_certificate_of_a_service(files: tuple[Path, Path, Path]) -> None:
    """A publisher connects to each engine by its address, but the certificate is for a name."""
    certificate, key, ca = files

    async def ruleset(_: Request) -> Response:
        return json_response({"serving": "0123456789abcdef"})

    app = Starlette(routes=[Route("/v1/ruleset", ruleset)])
    with served(app, None, read_tls(certificate, key)) as port:
        for tls_ca, expected in ((ca, "0123456789abcdef"), (None, None)):
            by_name = discover([f"https://localhost:{port}"], "token", tls_ca)
            engine = next(one for one in by_name if "127.0.0.1" in one.address)
            with contextlib.closing(engine):
                if expected is None:
                    with pytest.raises(UserError) as raised:
                        engine.serving()
                    assert raised.value.code == "engine.unreachable"
                else:
                    assert engine.serving() == expected
            for other in by_name:
                other.close()
    with pytest.raises(UserError, match="contains no certificates of authorities"):
        discover(["https://localhost:1"], "token", key)


def test_a_client_cancels_an_endless_answer() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    async def endless(_: Request) -> Response:
        return Stream(chunks(), "text/plain")

    # A machine that is too busy to send a byte in time has the same end, by another limit.
    ended = "took too long|ReadTimeout"
    with served(Starlette(routes=[Route("/", endless)])) as port:
        caller = ServiceClient("engine", f"http://127.0.0.1:{port}", "token", 0.2)
        with contextlib.closing(caller), pytest.raises(UserError, match=ended):
            caller.request("GET", "/")


@pytest.mark.parametrize("service", ["relay", "engine"])
def test_a_client_with_an_unknown_token_gets_an_error_that_says_so(
    desk: Desk, service: str
) -> None:
    with served(desk.app) as port:
        caller = ServiceClient(service, f"http://127.0.0.1:{port}", "wrong", 20.0)
        with contextlib.closing(caller), pytest.raises(UserError) as raised:
            caller.request("GET", "/wait")
        assert raised.value.code == f"{service}.denied"
