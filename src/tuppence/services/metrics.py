"""What services count, for Prometheus."""

import asyncio
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""
GONE = 499
"""The status in the figures of a request whose caller was gone before the end of its answer."""


class Metrics:
    """The figures of one service.

    Args:
        service: Begins every name, such as `sql_relay`.
    """

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self.requests = self.histogram(
            "request_seconds", "Time to the end of the answer.", ("path", "status")
        )
        self.running = 0
        self.gauge("requests_running", "Begun, and not answered.", lambda: self.running)

    def histogram(self, name: str, doc: str, labels: tuple[str, ...] = ()) -> Histogram:
        """How long something takes."""
        full = f"tuppence_{self._service}_{name}"
        return Histogram(full, doc, labels, registry=self.registry, buckets=BUCKETS)

    def counter(self, name: str, doc: str, labels: tuple[str, ...] = ()) -> Counter:
        """How often something happened."""
        return Counter(f"tuppence_{self._service}_{name}", doc, labels, registry=self.registry)

    def gauge(self, name: str, doc: str, value: Callable[[], float]) -> None:
        """Something that goes up and down, asked for when somebody looks."""
        full = f"tuppence_{self._service}_{name}"
        Gauge(full, doc, registry=self.registry).set_function(value)

    async def endpoint(self, _: Request) -> Response:
        """All of it, in the format of OpenMetrics."""
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return Response(text, media_type=CONTENT_TYPE_LATEST)


class Measured:
    """Middleware that times requests by path and status; paths with identifiers by their pattern.

    Args:
        app: What is inside.
        metrics: Where to count.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        self._metrics.running += 1

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            status = GONE
            raise
        finally:
            self._metrics.running -= 1
            path = getattr(scope.get("route"), "path", "other")
            seconds = time.perf_counter() - began
            self._metrics.requests.labels(path, str(status)).observe(seconds)
