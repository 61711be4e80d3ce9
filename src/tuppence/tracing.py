"""Spans of one trace over all processes that work on a request, by OpenTelemetry.

Nothing is recorded, and OpenTelemetry is not imported, unless this process has begun tracing (see
`bootstrap.tracing`) or the program around the library has. Names and attributes of spans never name
a customer, and exceptions are recorded by their class only, because messages may quote data.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Kind = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
Attribute = str | int | float
CARRIED: Final = ("traceparent", "tracestate")
"""Names of the headers, or of attributes of a message, that carry a trace (W3C Trace Context)."""


def is_on() -> bool:
    """Return whether spans may be recorded in this process."""
    return "opentelemetry.trace" in sys.modules


@contextlib.contextmanager
def span(
    name: str,
    kind: Kind = "INTERNAL",
    carried: Mapping[str, str] | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    *,
    root: bool = False,
) -> Iterator["Span | None"]:
    """Record what happens within a context as a span; the one around it is its parent.

    Args:
        name: Name of the span, such as `POST /v1/facts`; one of few.
        kind: Its kind.
        carried: Fields from `carrier` of another process, of whose span it is a child.
        attributes: Its attributes.
        root: Whether it begins a trace, which links to the span around it.

    Yields:
        The span; None if nothing is recorded.
    """
    if not is_on():
        yield None
        return
    from opentelemetry import trace  # noqa: PLC0415 - imported already, see `is_on`
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

    context = None
    links = []
    if carried is not None:
        context = tracecontext.TraceContextTextMapPropagator().extract(carried)
    elif root:
        context = Context()
        around = trace.get_current_span().get_span_context()
        links = [trace.Link(around)] if around.is_valid else []
    with trace.get_tracer("tuppence").start_as_current_span(
        name,
        context,
        trace.SpanKind[kind],
        attributes,
        links,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def carrier() -> dict[str, str]:
    """Return the fields that carry the current span to another process; empty without a span."""
    found: dict[str, str] = {}
    if is_on():
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        tracecontext.TraceContextTextMapPropagator().inject(found)
    return found


def trace_id() -> str | None:
    """Return the id of the current trace, if it is recorded."""
    if not is_on():
        return None
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.trace_flags.sampled else None
