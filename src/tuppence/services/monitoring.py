"""Identifies, times, counts and logs the requests of a service."""

import asyncio
import logging
import re
import secrets
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuppence import logs
from tuppence.services.metrics import Metrics
from tuppence.services.problems import BUSY, REQUEST_ID_HEADER

CLIENT_GONE: Final = 499
"""Status, in metrics and logs, of a request whose caller disconnected before the answer ended."""
_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
_REQUEST_ID: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_logger: Final = logging.getLogger(__name__)


class RequestMonitor:
    """Middleware that gives every request an id, and measures and logs it.

    The id is that of the header X-Request-Id if it is well-formed, else a new one; the answer
    carries it. Paths with identifiers of customers are counted and logged by their pattern.
    Requests without a known token are counted but not logged: strangers could fill a disk.

    Args:
        app: The rest of the application.
        metrics: Counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        request_id = _request_id(scope)
        logs.begin(request_id)
        self._metrics.running += 1

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (_HEADER, request_id.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            status = CLIENT_GONE
            raise
        finally:
            self._metrics.running -= 1
            self._record(scope, status, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(path, str(status)).observe(seconds)
        level = logging.INFO
        if logs.bound("code") in BUSY:
            self._metrics.busy.inc()
            level = logging.WARNING
        elif status >= 500:
            self._metrics.errors.inc()
            level = logging.ERROR
        user = scope.get("user")
        if user is None or not user.is_authenticated:
            return
        fields = {
            "method": scope["method"],
            "path": path,
            "status": status,
            "duration": round(seconds, 6),
            "caller": getattr(user, "log_name", user.display_name),
        }
        if _logger.isEnabledFor(level):  # `log` would look for the place, which the line leaves out
            name, nowhere = _logger.name, ("", 0)
            _logger.handle(
                _logger.makeRecord(name, level, *nowhere, "request", (), None, extra=fields)
            )


def _request_id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == _HEADER]
    text = given[0].decode("latin-1") if len(given) == 1 else ""
    return text if _REQUEST_ID.fullmatch(text) else secrets.token_hex(16)
