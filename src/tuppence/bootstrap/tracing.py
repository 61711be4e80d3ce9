"""Begins tracing in a process, where its environment asks for it."""

import os
from collections.abc import Callable
from typing import Final

from tuppence.bootstrap.extras import extra

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Variable with the address of a collector. Further variables of OpenTelemetry hold, too, such as
OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG."""
FLUSH_MILLISECONDS: Final = 2_000
"""Maximum time for sending the last spans."""


def begin_tracing(service: str) -> Callable[[], None]:
    """Send the spans of this process to a collector, if the environment names one.

    Args:
        service: Name of the process.

    Returns:
        A function that sends what was recorded so far. It is called for the last time by itself,
        when the process ends.

    Raises:
        UserError: The packages of the extra `otel` are missing.
    """
    if not os.environ.get(ENDPOINT):
        return _nothing
    with extra("otel"):
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return lambda: _flush(provider.force_flush)


def _nothing() -> None:
    pass


def _flush(force_flush: Callable[[int], bool]) -> None:
    force_flush(FLUSH_MILLISECONDS)
