"""The SQL relay: the one service that holds connections to the database.

It runs named queries only, as a login that may only read, for callers that it knows. Facts go out
as Arrow IPC streams, so that neither side builds rows.
"""

import io
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, NamedTuple, Protocol

import anyio
import anyio.to_thread
import msgspec
import pyarrow as pa
from msgspec import Meta
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tuppence.facts.identifiers import check_identifier
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.services.application import application
from tuppence.services.bodies import (
    Identifier,
    asked_date,
    asked_number,
    json_response,
    read_body,
)
from tuppence.services.metrics import Metrics
from tuppence.services.places import Places
from tuppence.services.streaming import Stream, in_thread

MOST_CUSTOMERS: Final = 5_000
"""In one request for facts, or in one page."""
BODY_BYTES: Final = 1_000_000
CHUNK_BYTES: Final = 1_000_000
"""Of an answer; a smaller one goes out whole."""


class FactRows(Protocol):
    """Batches of rows, each with the name of its table; they hold a connection until closed."""

    def __iter__(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The batches."""
        ...

    def cancel(self) -> None:
        """Have the query that another thread waits for end now, if there is one."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Reader(Protocol):
    """Reads from the database, with a bounded number of connections."""

    size: int

    @property
    def in_use(self) -> int:
        """Connections at work."""
        ...

    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        """Customers who have agreed to be evaluated as of a date, after one."""
        ...

    def gone(self, customers: Sequence[str]) -> list[str]:
        """Those of some customers who are not in the database."""
        ...

    def facts(
        self, customers: Sequence[str], as_of: Date, fields: Sequence[str] | None
    ) -> FactRows:
        """The rows of customers who have agreed, table by table, as they were at one moment."""
        ...

    def rules_in_force(self, as_of: Date) -> list[dict[str, Any]]:
        """Return the approved definitions that are valid on a date.

        Returns:
            At least one row with `rule_id`, `version`, `document` (JSON), and `versions`: how many
            versions of all definitions there are. Where no rule is in force the others are None.
        """
        ...

    def check(self) -> None:
        """See that the database answers, and that nothing can be written."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class RelayLimits(NamedTuple):
    """How much a relay takes on.

    Attributes:
        waiting: Requests at most that wait for a connection; further ones are refused at once. One
            caller may have half of them, see `WaitingRoom`.
        patience: Seconds that they wait.
        caller_requests: Requests of one caller that are worked on, or wait, at a time.
    """

    waiting: int = 96
    patience: float = 2.0
    caller_requests: int = 48


class FactsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Whose facts are wanted, as of when they must have agreed.

    Attributes:
        as_of: The date.
        customers: Their identifiers.
        fields: The fields of transactions that are needed; all where it is None.
    """

    as_of: str
    customers: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_CUSTOMERS)]
    fields: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=200)] | None = (
        None
    )


class GoneRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Customers of whom it is asked whether they are still there.

    Attributes:
        customers: Their identifiers.
    """

    customers: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_CUSTOMERS)]


def relay_app(reader: Reader, callers: Mapping[str, str], limits: RelayLimits) -> Starlette:
    """The service.

    Args:
        reader: Of the database.
        callers: Who may call: names by the digest of their token.
        limits: How much it takes on.
    """
    metrics = Metrics("sql_relay")
    relay = _Relay(reader, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # A thread for every connection, for whoever cancels its query, and for the checks.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2 * reader.size + 2
        yield
        reader.close()

    routes = [Route(path, getattr(relay, name), methods=[way]) for way, path, name in _ROUTES]
    return application(routes, relay.check, metrics, callers, limits.caller_requests, lifespan)


_ROUTES: Final = (
    ("GET", "/v1/schema", "schema"),
    ("GET", "/v1/customers", "customers"),
    ("POST", "/v1/facts", "facts"),
    ("POST", "/v1/gone", "gone"),
    ("GET", "/v1/rules", "rules"),
)


def endpoints() -> list[tuple[str, str]]:
    """The requests that the relay answers, and what each gives."""
    return [
        (f"{method} {path}", str(getattr(_Relay, name).__doc__)) for method, path, name in _ROUTES
    ]


class _Relay:
    def __init__(self, reader: Reader, limits: RelayLimits, metrics: Metrics) -> None:
        self._reader = reader
        self._places = Places(reader.size, limits.waiting, limits.patience)
        self._decoder = msgspec.json.Decoder(FactsRequest)
        self._gone = msgspec.json.Decoder(GoneRequest)
        self._queries = metrics.histogram("query_seconds", "Time of a named query.", ("query",))
        self._rows = metrics.counter("rows", "Rows that were sent.", ("table",))
        metrics.gauge("connections", "Connections at most.", lambda: reader.size)
        metrics.gauge("connections_in_use", "Connections at work.", lambda: reader.in_use)
        places = self._places
        metrics.gauge("requests_waiting", "Requests without a connection.", lambda: places.waiting)

    async def schema(self, request: Request) -> Response:
        """The declared attributes of customers."""
        schema = await self._ask(request, "schema", self._reader.schema)
        return json_response({"attributes": schema.attributes})

    async def customers(self, request: Request) -> Response:
        """Customers who have agreed `as_of` a date, `after` one in their order, up to `limit`."""
        query = request.query_params
        limit = asked_number("limit", query.get("limit", "1000"), MOST_CUSTOMERS)
        date, after = asked_date(query.get("as_of", "")), query.get("after", "")
        if after:
            check_identifier(after, "after")
        page = await self._ask(request, "page", lambda: self._reader.page(after, date, limit))
        return json_response({"customers": page, "next": page[-1] if len(page) == limit else None})

    async def facts(self, request: Request) -> Response:
        """The facts of `customers` who have agreed `as_of` a date; `fields` of transactions."""
        wanted = await read_body(request, self._decoder, BODY_BYTES)
        date = asked_date(wanted.as_of)
        for customer in wanted.customers:
            check_identifier(customer, "customers")
        return Stream(
            self._chunks(request.user.display_name, wanted, date),
            "application/vnd.apache.arrow.stream",
        )

    async def gone(self, request: Request) -> Response:
        """Those of `customers` who are not there, because they were erased or never came."""
        asked = await read_body(request, self._gone, BODY_BYTES)
        for customer in asked.customers:
            check_identifier(customer, "customers")
        gone = await self._ask(request, "gone", lambda: self._reader.gone(asked.customers))
        return json_response({"gone": gone})

    async def rules(self, request: Request) -> Response:
        """Approved definitions valid `as_of` a date, and how many `versions` of all there are."""
        date = asked_date(request.query_params.get("as_of", ""))
        rows = await self._ask(request, "rules_in_force", lambda: self._reader.rules_in_force(date))
        versions = [row.pop("versions") for row in rows]
        rules = [
            {**row, "document": msgspec.Raw(row["document"].encode())}
            for row in rows
            if row["rule_id"] is not None
        ]
        return json_response({"rules": rules, "versions": versions[0]})

    async def check(self) -> None:
        """See that the database answers."""
        await run_in_threadpool(self._reader.check)

    async def _ask(self, request: Request, query: str, ask: Callable[[], Any]) -> Any:
        async with self._places.one(request.user.display_name):
            with self._queries.labels(query).time():
                return await run_in_threadpool(ask)

    async def _chunks(
        self, caller: str, wanted: FactsRequest, as_of: Date
    ) -> AsyncGenerator[bytes, None]:
        """Encode facts in a thread, and give the connection back however it ends."""
        async with self._places.one(caller):
            rows = self._reader.facts(wanted.customers, as_of, wanted.fields)
            chunks = self._encoded(rows)
            try:
                with self._queries.labels("facts").time():
                    while (chunk := await in_thread(chunks, rows.cancel)) is not None:
                        yield chunk
            finally:
                with anyio.CancelScope(shield=True):
                    await run_in_threadpool(rows.close)

    def _encoded(self, rows: FactRows) -> Iterator[bytes]:
        sink = io.BytesIO()
        writer, written = None, ""
        for table, batch in rows:
            if writer is None or table != written:
                if writer is not None:
                    writer.close()
                writer, written = pa.ipc.new_stream(sink, batch.schema), table
            writer.write_batch(batch)
            self._rows.labels(table).inc(batch.num_rows)
            if sink.tell() >= CHUNK_BYTES:
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
        if writer is not None:
            writer.close()
        yield sink.getvalue()
