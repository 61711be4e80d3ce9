"""Metrics of a service, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of histogram buckets, in seconds."""


class Metrics:
    """The metrics of one service.

    Args:
        service: Part of every name, such as `sql_relay`.

    Attributes:
        prefix: Beginning of every name.
    """

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self.prefix = f"tuppence_{service}_"
        self.requests = self.histogram(
            "request_seconds", "Time until the end of the answer.", ("path", "status")
        )
        self.errors = self.counter("errors", "Answers with status 500 or above that are errors.")
        self.busy = self.counter(
            "busy", "Requests that were put off because there is too much to do."
        )
        self.running = 0
        self.gauge("requests_running", "Requests in progress.", lambda: self.running)

    def histogram(self, name: str, doc: str, labels: tuple[str, ...] = ()) -> Histogram:
        """Return a new histogram of durations in seconds."""
        full = f"{self.prefix}{name}"
        return Histogram(full, doc, labels, registry=self.registry, buckets=BUCKETS)

    def counter(self, name: str, doc: str, labels: tuple[str, ...] = ()) -> Counter:
        """Return a new counter of events."""
        return Counter(f"{self.prefix}{name}", doc, labels, registry=self.registry)

    def gauge(self, name: str, doc: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed whenever the metrics are read."""
        full = f"{self.prefix}{name}"
        Gauge(full, doc, registry=self.registry).set_function(value)

    async def endpoint(self, _: Request) -> Response:
        """Answer with all metrics in the OpenMetrics format."""
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return Response(text, media_type=CONTENT_TYPE_LATEST)
