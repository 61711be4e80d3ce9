"""The SQL relay: the only service with connections to the database.

It runs named queries only, with a read-only login, for authenticated callers. Facts are sent as
Arrow IPC streams, so that neither side builds rows.
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
from contextlib import asynccontextmanager, contextmanager
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

from tuppence import logs, tracing
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.services.access import BearerTokens
from tuppence.services.application import application
from tuppence.services.bodies import (
    Identifier,
    json_response,
    parse_as_of,
    parse_count,
    read_body,
)
from tuppence.services.metrics import Metrics
from tuppence.services.slots import Slots
from tuppence.services.streaming import Stream, in_thread

MAX_CUSTOMERS: Final = 5_000
"""Maximum number of customers in a request for facts, or in a page."""
BODY_BYTES: Final = 1_000_000
"""Maximum size of a request's body."""
CHUNK_BYTES: Final = 1_000_000
"""Minimum size of each chunk of an answer but the last."""


class FactRows(Protocol):
    """Batches of rows with the names of their tables; they hold a connection until closed."""

    def __iter__(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the batches, each with the name of its table."""
        ...

    def cancel(self) -> None:
        """Cancel the query that another thread waits for, if there is one."""
        ...

    def close(self) -> None:
        """Return the connection to its pool."""
        ...


class Reader(Protocol):
    """Reads from the database over a bounded number of connections.

    Attributes:
        size: Maximum number of connections.
    """

    size: int

    @property
    def in_use(self) -> int:
        """The number of connections in use."""
        ...

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        """Return identifiers after a given one, of customers who consent to an evaluation."""
        ...

    def gone(self, customers: Sequence[str]) -> list[str]:
        """Return those of some customers who are not in the database."""
        ...

    def facts(
        self, customers: Sequence[str], as_of: Date, fields: Sequence[str] | None
    ) -> FactRows:
        """Return the rows of customers who consent, table by table, as of one moment."""
        ...

    def rules_in_force(self, as_of: Date) -> list[dict[str, Any]]:
        """Return the approved definitions that are valid on a date.

        Returns:
            At least one row with `rule_id`, `version`, `document` (JSON), and `versions`, the
            number of versions of all definitions. If no rule is in force, the other columns of the
            one row are None.
        """
        ...

    def check(self) -> None:
        """Check that the database answers, and that the login can write nothing."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class RelayLimits(NamedTuple):
    """Limits on the load of a relay.

    Attributes:
        queue_limit: Maximum number of requests that wait for a connection; further ones are refused
            at once. One caller may have half of them, see `QueueLimit`.
        timeout: Seconds that a request waits for a connection.
        caller_requests: Maximum number of requests of one caller, running or waiting.
    """

    queue_limit: int = 96
    timeout: float = 2.0
    caller_requests: int = 48


class FactsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request for the facts of customers.

    Attributes:
        as_of: The date on which their consents must allow an evaluation.
        customers: Identifiers of the customers.
        fields: Fields of transactions to return; None for all.
    """

    as_of: str
    customers: Annotated[list[Identifier], Meta(min_length=1, max_length=MAX_CUSTOMERS)]
    fields: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=200)] | None = (
        None
    )


class GoneRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request for those of some customers who are no longer in the database.

    Attributes:
        customers: Identifiers of the customers.
    """

    customers: Annotated[list[Identifier], Meta(min_length=1, max_length=MAX_CUSTOMERS)]


def relay_app(reader: Reader, callers: Mapping[str, str], limits: RelayLimits) -> Starlette:
    """Return the relay as an application.

    Args:
        reader: Reads from the database; closed when the application ends.
        callers: Names of callers by the digest of their token.
        limits: Limits on its load.
    """
    metrics = Metrics("sql_relay")
    relay = _Relay(reader, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # Each connection needs a thread for its query and one to cancel it; checks need two more.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2 * reader.size + 2
        yield
        reader.close()

    routes = [Route(path, getattr(relay, name), methods=[way]) for way, path, name in _ROUTES]
    return application(
        routes, relay.check, metrics, BearerTokens(callers), limits.caller_requests, lifespan
    )


_ROUTES: Final = (
    ("GET", "/v1/schema", "schema"),
    ("GET", "/v1/customers", "customers"),
    ("POST", "/v1/facts", "facts"),
    ("POST", "/v1/gone", "gone"),
    ("GET", "/v1/rules", "rules"),
)


def endpoints() -> list[tuple[str, str]]:
    """Return the method and path of each request that the relay answers, with a description."""
    return [
        (f"{method} {path}", str(getattr(_Relay, name).__doc__)) for method, path, name in _ROUTES
    ]


class _Relay:
    def __init__(self, reader: Reader, limits: RelayLimits, metrics: Metrics) -> None:
        self._reader = reader
        self._slots = Slots(reader.size, limits.queue_limit, limits.timeout)
        self._was_checked = False
        self._facts_decoder = msgspec.json.Decoder(FactsRequest)
        self._gone_decoder = msgspec.json.Decoder(GoneRequest)
        self._queries = metrics.histogram("query_seconds", "Time of a named query.", ("query",))
        self._rows = metrics.counter("rows", "Rows sent.", ("table",))
        metrics.gauge("connections", "Maximum number of connections.", lambda: reader.size)
        metrics.gauge("connections_in_use", "Connections in use.", lambda: reader.in_use)
        slots = self._slots
        metrics.gauge("requests_waiting", "Requests without a connection.", lambda: slots.waiting)

    async def schema(self, request: Request) -> Response:
        """Return the declared attributes of customers."""
        schema = await self._query(request, "schema", self._reader.schema)
        return json_response({"attributes": schema.attributes})

    async def customers(self, request: Request) -> Response:
        """Return up to `limit` customers `after` one who consent to evaluation `as_of` a date."""
        query = request.query_params
        limit = parse_count("limit", query.get("limit", "1000"), MAX_CUSTOMERS)
        date, after = parse_as_of(query.get("as_of", "")), query.get("after", "")
        if after:
            check_identifier(after, "after")
        page = await self._query(request, "page", lambda: self._reader.page(after, date, limit))
        return json_response({"customers": page, "next": page[-1] if len(page) == limit else None})

    async def facts(self, request: Request) -> Response:
        """Return the facts of those `customers` who consent to an evaluation `as_of` a date."""
        body = await read_body(request, self._facts_decoder, BODY_BYTES)
        date = parse_as_of(body.as_of)
        for customer in body.customers:
            check_identifier(customer, "customers")
        if len(body.customers) == 1:
            logs.bind_customer(body.customers[0])
        return Stream(
            self._chunks(request.user.display_name, body, date),
            "application/vnd.apache.arrow.stream",
        )

    async def gone(self, request: Request) -> Response:
        """Return those of `customers` that do not exist in the database."""
        body = await read_body(request, self._gone_decoder, BODY_BYTES)
        for customer in body.customers:
            check_identifier(customer, "customers")
        gone = await self._query(request, "gone", lambda: self._reader.gone(body.customers))
        return json_response({"gone": gone})

    async def rules(self, request: Request) -> Response:
        """Return approved definitions valid `as_of` a date, and the number of all `versions`."""
        date = parse_as_of(request.query_params.get("as_of", ""))
        rows = await self._query(
            request, "rules_in_force", lambda: self._reader.rules_in_force(date)
        )
        versions = [row.pop("versions") for row in rows]
        rules = [
            {**row, "document": msgspec.Raw(row["document"].encode())}
            for row in rows
            if row["rule_id"] is not None
        ]
        return json_response({"rules": rules, "versions": versions[0]})

    async def check(self) -> None:
        """Check that the database can be read, and that the login can write nothing."""
        await run_in_threadpool(self._reader.check)
        self._was_checked = True

    @asynccontextmanager
    async def _slot(self, caller: str) -> AsyncIterator[None]:
        """Hold a slot; before the first request the login is checked, if it was not yet."""
        async with self._slots.hold(caller):
            if not self._was_checked:
                await self.check()
            yield

    @contextmanager
    def _timed(self, query: str) -> Iterator[None]:
        """Measure a named query, and record it as a span."""
        with (
            tracing.span(query, "CLIENT", attributes={"db.system.name": "postgresql"}),
            self._queries.labels(query).time(),
        ):
            yield

    async def _query(self, request: Request, name: str, run: Callable[[], Any]) -> Any:
        """Run a query in a thread, once a connection is free."""
        async with self._slot(request.user.display_name):
            with self._timed(name):
                return await run_in_threadpool(run)

    async def _chunks(
        self, caller: str, body: FactsRequest, as_of: Date
    ) -> AsyncGenerator[bytes, None]:
        """Encode facts in a thread; the connection is returned even if the request is cancelled."""
        async with self._slot(caller):
            rows = self._reader.facts(body.customers, as_of, body.fields)
            chunks = self._encode(rows)
            try:
                with self._timed("facts"):
                    while (chunk := await in_thread(chunks, rows.cancel)) is not None:
                        yield chunk
            finally:
                with anyio.CancelScope(shield=True):
                    await run_in_threadpool(rows.close)

    def _encode(self, rows: FactRows) -> Iterator[bytes]:
        """Yield chunks of one Arrow IPC stream a table, one after another."""
        sink = io.BytesIO()
        writer, writer_table = None, ""
        for table, batch in rows:
            if writer is None or table != writer_table:
                if writer is not None:
                    writer.close()
                writer, writer_table = pa.ipc.new_stream(sink, batch.schema), table
            writer.write_batch(batch)
            self._rows.labels(table).inc(batch.num_rows)
            if sink.tell() >= CHUNK_BYTES:
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
        if writer is not None:
            writer.close()
        yield sink.getvalue()
