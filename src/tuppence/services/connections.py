"""Limits on connections, and on the size and duration of each part of a request.

uvicorn parses HTTP/1.1 and calls the application; `Connection` adds the limits that uvicorn has no
options for. A connection is a *stranger* until a request on it has a known token. When there are
too many strangers the oldest is closed, so new connections such as health checks always succeed.
"""

import asyncio
import contextlib
import math
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import anyio
import msgspec
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tuppence.services.problems import Problem

ADMIT: Final = "tuppence.admit"
"""Key of a request's scope: a function that takes the name of an authenticated caller, and returns
False if the service cannot keep another connection of that caller."""
_RECEIVED: Final = "tuppence.received"
"""Key of the state of a request that was received to its end, whether or not it was read."""
LINGER_SECONDS: Final = 2.0
"""Time to receive the rest of a request that has already been refused."""
LINGER_BYTES: Final = 1_000_000
"""Maximum number of bytes of that rest."""
MAX_PIPELINED: Final = 8
"""Maximum number of requests sent before the first of them is answered."""


class ConnectionLimits(NamedTuple):
    """Limits on connections and on the parts of a request.

    Attributes:
        strangers: Number of connections on which no known token was sent yet.
        known: Number of all other connections; one caller may have half of them.
        head_bytes: Size of request line and headers together.
        headers: Number of headers, including trailers of a chunked body.
        body_bytes: Size of a body with its framing; applications set lower limits of their own.
        head_seconds: Time from the connection or the first byte to the end of the headers, and for
            the TLS handshake.
        body_seconds: Time from the end of the headers to the end of the body.
        answer_seconds: Time from the beginning of an answer until the peer has read it.
        idle_seconds: Time between an answer and the next request.
    """

    strangers: int = 1_000
    known: int = 2_000
    head_bytes: int = 32_000
    headers: int = 64
    body_bytes: int = 32_000_000
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    idle_seconds: float = 75.0


class Register:
    """The open connections of a server.

    Args:
        limits: Limits on their number and duration.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._strangers: dict[str, dict[Connection, None]] = {}  # by peer, the oldest first
        self._stranger_count = 0
        self._known: dict[Connection, str] = {}
        self._known_by_caller: Counter[str] = Counter()

    def __iter__(self) -> Iterator["Connection"]:
        for connections in self._strangers.values():
            yield from connections
        yield from self._known

    def add(self, connection: "Connection") -> None:
        """Add a connection; with too many strangers, close the oldest of the busiest peer."""
        self._strangers.setdefault(connection.peer, {})[connection] = None
        self._stranger_count += 1
        if self._stranger_count > self.limits.strangers:
            busiest = max(self._strangers.values(), key=len)
            oldest = next(iter(busiest))
            self.discard(oldest)
            oldest.abort()

    def admit(self, connection: "Connection", caller: str) -> bool:
        """Assign a connection to an authenticated caller; return False if it cannot be kept."""
        if connection in self._known:
            return True
        if connection not in self._strangers.get(connection.peer, {}):
            return False  # it was closed while its request was read
        if (
            len(self._known) >= self.limits.known
            or self._known_by_caller[caller] >= (self.limits.known + 1) // 2
        ):
            return False
        self.discard(connection)
        self._known[connection] = caller
        self._known_by_caller[caller] += 1
        return True

    def discard(self, connection: "Connection") -> None:
        """Remove a connection."""
        caller = self._known.pop(connection, None)
        if caller is not None:
            self._known_by_caller[caller] -= 1
            return
        strangers = self._strangers.get(connection.peer, {})
        if connection in strangers:
            del strangers[connection]
            self._stranger_count -= 1
            if not strangers:
                del self._strangers[connection.peer]

    async def close_late(self) -> None:
        """Close every connection whose deadline has passed; called about once a second."""
        now = asyncio.get_running_loop().time()
        for connection in [one for one in self if one.late(now)]:
            connection.abort()


class Connection(HttpToolsProtocol):
    """One connection. A request whose caller disconnects is cancelled.

    Args:
        register: The server's connections.
        tls: TLS settings; None for plain HTTP.
        config: Passed on to uvicorn, like the following.
        server_state: See uvicorn.
        app_state: See uvicorn.
    """

    def __init__(
        self,
        register: Register,
        tls: ssl.SSLContext | None,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.peer = ""
        self._deadline = 0.0  # for the part of a request that is to be received next
        self._answer_deadline = math.inf
        self._register = register
        self._limits = register.limits
        self._tls = tls
        self._handshake: asyncio.Task[None] | None = None
        self._connected, self._early = False, b""
        self._application = self.app
        self.app = self._serve  # what uvicorn calls for each request
        self._running: set[anyio.CancelScope] = set()
        self._in_head = True
        self._received = 0  # bytes of the head so far, or of the body
        self._refusal: Problem | None = None
        self._discarding = False

    # -- the transport ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with the first request, or with the TLS handshake."""
        if self._handshake is None:
            self.transport = transport
            peer = transport.get_extra_info("peername")
            self.peer = str(peer[0]) if peer else ""
            self._set_deadline(self._limits.head_seconds)
            self._register.add(self)
            if self._tls is not None:
                transport.pause_reading()
                self._handshake = self.loop.create_task(self._encrypt(transport, self._tls))
                return
        super().connection_made(transport)
        self._connected = True
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    async def _encrypt(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        try:
            encrypted = await self.loop.start_tls(
                transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=self._limits.head_seconds,
            )
        except (OSError, TimeoutError):  # no TLS, an untrusted certificate, or disconnected
            encrypted = None
        if encrypted is None:
            self._register.discard(self)
            transport.abort()
        else:
            self.connection_made(encrypted)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the requests that are running."""
        self._register.discard(self)
        if self._connected:
            super().connection_lost(exc)
        for scope in self._running:
            scope.cancel()

    def late(self, now: float) -> bool:
        """Return True if the peer has taken too long to send a request or to read an answer."""
        unread = self._answer_deadline < now and self.transport.get_write_buffer_size() > 0
        return unread or self._deadline < now

    def abort(self) -> None:
        """Close at once, without sending what is still buffered."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, within the limits."""
        if not self._connected:  # the handshake has ended, but `_encrypt` has not yet resumed
            self._early += data
            return
        if self._discarding:
            self._received += len(data)
            if self._received > LINGER_BYTES:
                self.abort()
            return
        began_in_head = self._in_head
        super().data_received(data)
        if began_in_head == self._in_head:  # otherwise some of the bytes belong to another part
            self._received += len(data)
        if self._in_head and self._received > self._limits.head_bytes:
            self._refuse(_HEAD_TOO_LARGE)
        elif not self._in_head and self._received > self._limits.body_bytes:
            self.abort()

    # -- the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head, self._received = True, 0
        self._set_deadline(self._limits.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header.

        Raises:
            ValueError: There are too many headers.
        """
        if len(self.headers) >= self._limits.headers:
            self._refusal = _TOO_MANY_HEADERS
            raise ValueError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer a request.

        Raises:
            ValueError: Its head is too large, or too many requests are pipelined.
        """
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.head_bytes:
            self._refusal = _HEAD_TOO_LARGE
            raise ValueError
        if len(self.pipeline) >= MAX_PIPELINED:
            self._refusal = _TOO_MANY_PIPELINED
            raise ValueError
        self._in_head, self._received = False, 0
        self._set_deadline(self._limits.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request; from here the application limits the time until its answer begins."""
        self.cycle.scope["state"][_RECEIVED] = True
        if not self.cycle.response_complete:
            self._deadline = math.inf
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser has rejected."""
        self._refuse(self._refusal or Problem("http.malformed", msg, 400))

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem, discard what is still received, and close."""
        self._discarding, self._received = True, 0
        if self._running:  # an answer is being sent, and must not be mixed with another
            self.abort()
            return
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 {problem.status} Refused\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._set_deadline(LINGER_SECONDS)

    # -- the application -------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ADMIT] = self._admit
        body_complete = False

        async def tracked_receive() -> Message:
            nonlocal body_complete
            message = await receive()
            body_complete = not message.get("more_body", False)
            return message

        async def receive_rest() -> bool:
            size = 0
            if not body_complete and any(name == b"expect" for name, _ in scope["headers"]):
                return False  # the client has not begun to send the body
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    while not body_complete and size <= LINGER_BYTES:
                        size += len((await tracked_receive()).get("body", b""))
            return body_complete

        async def tracked_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                received = body_complete or _RECEIVED in scope["state"]
                if not received and not await receive_rest():
                    close = (b"connection", b"close")
                    message = {**message, "headers": [*message["headers"], close]}
                self._answer_deadline = self.loop.time() + self._limits.answer_seconds
            await send(message)
            if running.cancel_called:  # sending to a closed connection never blocks, so yield here
                await anyio.sleep(0)

        with anyio.CancelScope() as running:
            self._running.add(running)
            try:
                await self._application(scope, tracked_receive, tracked_send)
            finally:
                self._running.discard(running)

    def _admit(self, caller: str) -> bool:
        return self._register.admit(self, caller)

    def on_response_complete(self) -> None:
        """Start the idle time, unless the next request has already been received."""
        if self.cycle.response_complete:
            self._set_deadline(self._limits.idle_seconds)
        super().on_response_complete()

    def _set_deadline(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds


_HEAD_TOO_LARGE: Final = Problem("http.431", "the request line and the headers are too large", 431)
_TOO_MANY_HEADERS: Final = Problem("http.431", "the request has too many headers", 431)
_TOO_MANY_PIPELINED: Final = Problem("http.malformed", "too many pipelined requests", 400)
