"""Services on loopback, in a thread of the test, and raw connections to them."""

import contextlib
import io
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from local.servers import PATIENCE
from starlette.types import ASGIApp
from tests.waiting import wait_until

from tuppence import logs
from tuppence.services.connections import ConnectionLimits
from tuppence.services.server import uvicorn_options


@contextlib.contextmanager
def served(
    app: ASGIApp, limits: ConnectionLimits | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve an application with the settings of the services; gives its port."""
    options = uvicorn_options(limits or ConnectionLimits(), tls, 5)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    """Open a connection; reading from it ends after `PATIENCE`."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def head(method: str, path: str, *headers: str) -> bytes:
    """The beginning of a request, with its empty line."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: test", *headers, "", "")).encode()


def post(path: str, body: object, *headers: str) -> bytes:
    """A request with a body of JSON."""
    text = json.dumps(body).encode()
    kind = "Content-Type: application/json"
    return head("POST", path, kind, f"Content-Length: {len(text)}", *headers) + text


def status(connection: socket.socket) -> int:
    """The status of the next answer; 0 if the connection was closed instead."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n" not in got and (data := connection.recv(1)):
            got += data
    return int(got.split()[1]) if got else 0


def closed(connection: socket.socket) -> bool:
    """Read to the end; True if it comes, False if the connection stays open."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@contextlib.contextmanager
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """Collect the log lines of this process; they are there when the block has ended."""
    stream, lines = io.StringIO(), list[dict[str, Any]]()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines("test"))
    loggers = [logging.getLogger(name) for name in ("tuppence", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
        lines += map(json.loads, stream.getvalue().splitlines())
