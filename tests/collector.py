"""A collector of traces on loopback."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Seen(NamedTuple):
    """A span that was sent to the collector."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, Any]


class Collector:
    """Keeps the spans that it is sent.

    Attributes:
        spans: The spans.
        bodies: The bodies that were sent, unchanged.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which a process sends its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self._address, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        self.bodies.append(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in sent.resource.attributes}
            for scope in sent.scope_spans:
                self.spans += [
                    Seen(
                        names["service.name"],
                        span.name,
                        span.trace_id,
                        span.span_id,
                        span.parent_span_id,
                        {
                            one.key: one.value.string_value or one.value.int_value
                            for one in span.attributes
                        },
                    )
                    for span in scope.spans
                ]

    def lines(self, of: str) -> list[list[tuple[str, str]]]:
        """Return the services and names of spans from the root to each span of a name."""
        by_id = {(span.trace, span.id): span for span in list(self.spans)}
        found = []
        for span in [one for one in by_id.values() if one.name == of]:
            line = [span]
            while above := by_id.get((line[-1].trace, line[-1].parent)):
                line.append(above)
            found.append([(one.service, one.name) for one in reversed(line)])
        return found

    def by_trace(self) -> dict[bytes, Sequence[Seen]]:
        """Return the spans of each trace."""
        found: dict[bytes, list[Seen]] = defaultdict(list)
        for span in list(self.spans):
            found[span.trace].append(span)
        return dict(found)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            del format, arguments

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
