"""Spans: in whose trace they are, what they say, and that they cost nothing when they are off."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.building import ROOT

from tuppence import tracing
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.lambdas.traces import message_span
from tuppence.services.access import BearerTokens, digest
from tuppence.services.application import application
from tuppence.services.bodies import json_response
from tuppence.services.metrics import Metrics
from tuppence.usecases.fleet.messages import FleetItem, Page

PERSON = "C0000007"
PAGES = [Page("night", "2026-06-30", "d", number, (PERSON,), 25, 0) for number in range(2)]
ITEM = FleetItem("night", "2026-06-30", "d", 0, 3, (PERSON,))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record spans in memory, for one test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def by_name(recorded: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in recorded.get_finished_spans()}


def test_without_a_collector_nothing_is_imported_or_recorded() -> None:
    script = (
        "import sys\n"
        "from tuppence import tracing\n"
        "from tuppence.bootstrap.tracing import begin_tracing\n"
        "from tuppence.cli.app import build\n"
        "import tuppence.lambdas.invoke, tuppence.services.sql_relay\n"
        "build('serve'); begin_tracing('x')()\n"
        "with tracing.span('x') as span: assert span is None\n"
        "assert tracing.carrier() == {} and tracing.trace_id() is None\n"
        "print(sorted(name for name in sys.modules if 'opentelemetry' in name))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_a_span_continues_what_another_process_carried(recorded: InMemorySpanExporter) -> None:
    with tracing.span("first", attributes={"run.id": "night"}):
        carried = tracing.carrier()
        assert set(carried) == {"traceparent"}
    with tracing.span("second", "CONSUMER", carried):
        pass
    with tracing.span("first of another", carried={}):
        pass
    spans = by_name(recorded)
    first, second = spans["first"], spans["second"]
    assert second.parent is not None
    assert first.context is not None
    assert second.parent.span_id == first.context.span_id
    assert spans["first of another"].parent is None
    assert dict(first.attributes or {}) == {"run.id": "night"}


def test_a_span_names_the_class_of_an_exception_and_never_its_message(
    recorded: InMemorySpanExporter,
) -> None:
    with pytest.raises(ValueError, match=PERSON), tracing.span("work"):
        raise ValueError(f"customer {PERSON}")
    (span,) = recorded.get_finished_spans()
    assert span.status.description == "ValueError"
    assert PERSON not in span.to_json()


class Sqs:
    """Keeps the messages that a queue sends."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def send_message_batch(self, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        del QueueUrl
        self.entries += Entries
        return {}


def test_each_page_begins_a_trace_which_its_items_carry_on(recorded: InMemorySpanExporter) -> None:
    sqs = Sqs()
    with tracing.span("customer", "SERVER"):
        SqsQueue(sqs, "https://queue").send(PAGES)
    carried = [entry["MessageAttributes"] for entry in sqs.entries]
    record = sqs_record(carried[0])
    with message_span("split page", record, "night", 0):
        SqsQueue(sqs, "https://queue.fifo").send([ITEM])
    with message_span(
        "evaluate item", sqs_record(sqs.entries[-1]["MessageAttributes"]), "night", 0
    ):
        pass
    pages = [span for span in recorded.get_finished_spans() if span.name == "page"]
    spans = by_name(recorded)
    traces = [one.context.trace_id for one in (*pages, spans["customer"]) if one.context]
    assert len(set(traces)) == 3, "a trace of the listing, and one of each page"
    assert [link.context for link in pages[0].links] == [spans["customer"].context]
    split, item = spans["split page"], spans["evaluate item"]
    assert split.context is not None
    assert item.context is not None
    assert [split.context.trace_id, item.context.trace_id] == traces[:1] * 2
    assert item.parent is not None
    assert item.parent.span_id == split.context.span_id
    assert dict(split.attributes or {}) == {"run.id": "night", "page.number": 0}
    assert not any(PERSON in span.to_json() for span in recorded.get_finished_spans())


def sqs_record(attributes: dict[str, Any]) -> Any:
    """Return a message as a function receives it."""
    received = {
        name: {"stringValue": one["StringValue"], "dataType": one["DataType"]}
        for name, one in attributes.items()
    }
    return type("Record", (), {"raw_event": {"messageAttributes": received}})()


def test_a_request_is_recorded_by_the_pattern_of_its_path_and_only_for_known_callers(
    recorded: InMemorySpanExporter,
) -> None:
    async def answer(_: object) -> Any:
        await asyncio.sleep(0)
        return json_response({})

    async def check() -> None:
        await asyncio.sleep(0)

    from contextlib import asynccontextmanager  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(_: object) -> Any:
        yield

    service = application(
        [Route("/v1/customers/{customer_id}", answer)],
        check,
        Metrics("traced"),
        BearerTokens({digest("token"): "caller"}),
        8,
        lifespan,
    )
    with TestClient(service) as client, tracing.span("caller", "CLIENT"):
        headers = {"Authorization": "Bearer token", **tracing.carrier()}
        assert client.get(f"/v1/customers/{PERSON}?x={PERSON}", headers=headers).status_code == 200
        stranger = {"Authorization": "Bearer wrong", **tracing.carrier()}
        assert client.get(f"/v1/customers/{PERSON}", headers=stranger).status_code == 401
        assert client.get("/healthz").status_code == 200
    spans = by_name(recorded)
    assert set(spans) == {"GET /v1/customers/{customer_id}", "caller"}
    seen = spans["GET /v1/customers/{customer_id}"]
    assert seen.parent is not None
    assert spans["caller"].context is not None
    assert seen.parent.span_id == spans["caller"].context.span_id
    attributes = dict(seen.attributes or {})
    assert attributes.pop("request.id")
    assert attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/customers/{customer_id}",
        "http.response.status_code": 200,
    }
    assert PERSON not in seen.to_json()
