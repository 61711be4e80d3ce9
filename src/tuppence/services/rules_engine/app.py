"""The rules engine as an HTTP service."""

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from tuppence import logs, tracing
from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.source import CustomerFacts
from tuppence.facts.submitted import account_ids, transaction_count
from tuppence.feel.values import Date
from tuppence.results.result import ResultStore, State
from tuppence.services.access import BearerTokens
from tuppence.services.application import application
from tuppence.services.batching import Batcher
from tuppence.services.bodies import (
    json_response,
    parse_as_of,
    path_identifier,
    read_body,
    read_timeout,
)
from tuppence.services.metrics import Metrics
from tuppence.services.rules_engine.messages import (
    EvaluationsAnswer,
    OneAnswer,
    OneEvaluation,
    Refresh,
    Serving,
    evaluations_type,
)
from tuppence.services.rules_engine.openapi import openapi_document
from tuppence.usecases.serving.answering import answer_requests
from tuppence.usecases.serving.explaining import explain_kept, unknown_customer
from tuppence.usecases.serving.messages import Answer, Request
from tuppence.usecases.serving.ruleset_cache import RulesetCache, nothing_published

T = TypeVar("T")
_logger: Final = logging.getLogger(__name__)
BODY_BYTES: Final = 16_000_000
"""Maximum size of a request's body."""
MAX_BATCH: Final = 256
"""Maximum number of customers in a batch of several requests."""
MAX_INLINE_ROWS: Final = 2_000
"""Maximum number of submitted transactions in a request that is evaluated on the event loop; this
takes about a millisecond."""


class Limits(NamedTuple):
    """Limits on the load of a rules engine.

    Attributes:
        batches: Maximum number of concurrent batches: while one waits for facts, another one is
            evaluated. One caller can have two of three, see `Batcher`.
        queue_limit: Maximum number of customers that wait to be evaluated; one caller may have half
            of them, see `QueueLimit`.
        timeout: Seconds that a request may take; its caller may allow less.
        caller_requests: Maximum number of requests of one caller, running or waiting.
    """

    batches: int = 3
    queue_limit: int = 40_000
    timeout: float = 30.0
    caller_requests: int = 512


class _Key(NamedTuple):
    """Identifies requests of a caller that may share a batch."""

    ruleset: str
    day: int
    submitted: bool
    rules: frozenset[str] | None


def rules_engine_app(
    cache: RulesetCache,
    facts: CustomerFacts,
    open_results: Callable[[], ResultStore],
    callers: Mapping[str, str],
    limits: Limits,
) -> Starlette:
    """Return the rules engine as an application.

    Args:
        cache: The loaded rulesets.
        facts: Provides the facts of customers.
        open_results: Opens the store of results, once in each thread that evaluates.
        callers: Names of callers by the digest of their token.
        limits: Limits on its load.
    """
    metrics = Metrics("rules_engine")
    service = _RulesEngine(cache, facts, open_results, limits, metrics)
    one = "/v1/customers/{customer_id}/rules/{rule_id}"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.stop)

    routes = [
        Route("/v1/evaluations", service.evaluations, methods=["POST"]),
        Route(f"{one}/evaluation", service.evaluation, methods=["POST"]),
        Route(f"{one}/explanation", service.explanation),
        Route("/v1/ruleset", service.ruleset),
        Route("/v1/ruleset/refresh", service.refresh, methods=["POST"]),
        Route("/openapi.json", service.openapi),
    ]
    return application(
        routes, service.check, metrics, BearerTokens(callers), limits.caller_requests, lifespan
    )


class _RulesEngine:
    def __init__(
        self,
        cache: RulesetCache,
        facts: CustomerFacts,
        open_results: Callable[[], ResultStore],
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._cache = cache
        self._facts = facts
        self._open_results = open_results
        self._timeout = limits.timeout
        self._prepare_lock = asyncio.Lock()
        self._beginning: asyncio.Task[None] | None = None
        self._openapi: bytes | memoryview | None = None  # the document, once it is requested
        self._thread_local = threading.local()
        self._executor = ThreadPoolExecutor(limits.batches, "evaluation")
        self._threaded: Batcher[_Key, Request, Answer] = Batcher(
            self._evaluate, self._executor, limits.batches, MAX_BATCH, limits.queue_limit
        )
        self._inline: Batcher[_Key, Request, Answer] = Batcher(
            self._evaluate, None, 1, MAX_BATCH, limits.queue_limit
        )
        self._evaluation_decoder = msgspec.json.Decoder(OneEvaluation)
        self._refresh_decoder = msgspec.json.Decoder(Refresh)
        self._evaluations_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)
        self._batches = metrics.histogram("batch_seconds", "Time of a batch of requests.")
        self._requests = metrics.counter("batch_requests", "Requests in batches.")
        self._evaluated = metrics.counter("evaluations", "Pairs of a customer and a rule.")
        batchers = (self._threaded, self._inline)
        metrics.gauge(
            "customers_waiting",
            "Customers waiting to be evaluated.",
            lambda: sum(b.waiting for b in batchers),
        )

    async def begin(self) -> None:
        """Prepare everything that the first request would otherwise have to wait for.

        Nothing happens if it was done before. Requests that arrive meanwhile wait for the same
        attempt, and the next request after a failure tries again: an engine may start before its
        relay, or before the relay has a database.

        Raises:
            UserError: The relay or the store of rulesets does not answer, or the ruleset that was
                published last does not fit the facts.
        """
        if self._beginning is None or (self._beginning.done() and self._beginning.exception()):
            self._beginning = asyncio.create_task(run_in_threadpool(self._begin))
        await asyncio.shield(self._beginning)

    def _begin(self) -> None:
        self._cache.begin()
        self._load_schema()
        gc.freeze()  # loaded rulesets stay, so the garbage collector need not scan them again

    def stop(self) -> None:
        """Wait for the batches in progress."""
        self._executor.shutdown()

    # -- requests --------------------------------------------------------------------------------

    async def evaluations(self, http: HttpRequest) -> Response:
        """Evaluate customers, or submitted facts."""
        await self._begin_in_time(http)
        body = await read_body(http, self._evaluations_decoder, BODY_BYTES)
        logs.bind(run_id=body.run_id)
        for customer in body.customers or ():
            check_identifier(customer, "customers")
        for one in body.facts or ():
            for account in account_ids(one):
                check_identifier(account, "facts: accounts: id")
        if (body.customers is msgspec.UNSET) == (body.facts is msgspec.UNSET):
            raise UserError("request.body", "the body: give either customers or facts")
        rules = None if body.rules is None else frozenset(body.rules)
        customers = tuple(dict.fromkeys(body.customers or ()))
        if len(customers) == 1:
            logs.bind_customer(customers[0])
        request = Request(customers, tuple(body.facts or ()), rules, body.results)
        answer = await self._answer(http, body.ruleset, parse_as_of(body.as_of), request)
        fields = {name: getattr(answer, name) for name in Answer.__struct_fields__}
        return json_response(EvaluationsAnswer(**fields, run_id=body.run_id))

    async def evaluation(self, http: HttpRequest) -> Response:
        """Evaluate one rule for one customer."""
        await self._begin_in_time(http)
        customer, rule = path_identifier(http, "customer_id"), path_identifier(http, "rule_id")
        logs.bind_customer(customer)
        body = await read_body(http, self._evaluation_decoder, BODY_BYTES)
        request = Request((customer,), (), frozenset({rule}), results=True)
        answer = await self._answer(http, body.ruleset, parse_as_of(body.as_of), request)
        if not answer.results:
            raise unknown_customer(customer)
        (result,) = answer.results[0].results
        qualified = None if result.state is State.UNKNOWN else result.state is State.QUALIFIED
        return json_response(
            OneAnswer(
                customer,
                result.rule_id,
                qualified,
                result.state,
                result.score,
                result.values,
                result.since,
                answer.ruleset,
                answer.as_of,
            )
        )

    async def explanation(self, http: HttpRequest) -> Response:
        """Explain the result of a rule for a customer."""
        await self._begin_in_time(http)
        query = http.query_params
        digest = self._resolve_ruleset(query.get("ruleset"))
        date = parse_as_of(query.get("as_of", ""))
        customer, rule = path_identifier(http, "customer_id"), path_identifier(http, "rule_id")
        logs.bind_customer(customer)

        def explain() -> dict[str, Any]:
            engine = self._cache.engine(digest, date)
            return explain_kept(engine, customer, rule, self._facts, self._cache.schema)

        timeout = read_timeout(http, self._timeout)
        return json_response(await _with_timeout(run_in_threadpool(explain), timeout))

    async def ruleset(self, _: HttpRequest) -> Response:
        """Name the served ruleset."""
        return json_response(Serving(self._cache.served))

    async def refresh(self, http: HttpRequest) -> Response:
        """Make a ruleset ready, and serve it from now on."""
        body = await read_body(http, self._refresh_decoder, BODY_BYTES)
        return json_response(await run_in_threadpool(self._refresh, body))

    async def openapi(self, _: HttpRequest) -> Response:
        """Return the OpenAPI document."""
        if self._openapi is None:
            self._openapi = json_response(openapi_document(self._cache.schema)).body
        return Response(self._openapi, media_type="application/json")

    async def check(self) -> None:
        """Check that a ruleset is served; prepare everything first, if that is still to be done."""
        await self.begin()
        self._resolve_ruleset(None)

    # -- inside ----------------------------------------------------------------------------------

    def _resolve_ruleset(self, digest: str | None) -> str:
        """Return the ruleset that a request names, or else the served one."""
        resolved = digest or self._cache.served
        if resolved is None:
            raise nothing_published()
        return resolved

    async def _answer(
        self, http: HttpRequest, digest: str | None, as_of: Date, request: Request
    ) -> Answer:
        timeout = read_timeout(http, self._timeout)
        ruleset = self._resolve_ruleset(digest)
        if self._cache.ready(ruleset, as_of) is None:
            await _with_timeout(self._prepare(ruleset, as_of), timeout)
        key = _Key(ruleset, as_of.day, bool(request.submitted), request.partial_rules)
        weight = len(request.customers) + len(request.submitted)
        row_count = sum(transaction_count(one) for one in request.submitted)
        small = request.submitted and row_count <= MAX_INLINE_ROWS
        batcher = self._inline if small else self._threaded
        caller = http.user.display_name
        answer = batcher.answer(caller, key, request, weight, timeout)
        return await _with_timeout(answer, timeout)

    async def _begin_in_time(self, http: HttpRequest) -> None:
        begun = self._beginning
        if begun is not None and begun.done() and not begun.exception():
            return
        timeout = read_timeout(http, self._timeout)
        await _with_timeout(self.begin(), timeout)

    async def _prepare(self, digest: str, as_of: Date) -> None:
        """Load or plan a ruleset, one at a time: waiting for the lock takes no thread."""
        async with self._prepare_lock:
            await run_in_threadpool(self._cache.engine, digest, as_of)

    def _evaluate(self, key: _Key, requests: Sequence[Request]) -> Sequence[Answer | UserError]:
        """Answer requests for one ruleset and date; requests with unknown rules get an error."""
        size = {"requests": len(requests)}
        with self._batches.time(), tracing.span("batch", attributes=size):
            answers = answer_requests(
                self._cache, key.ruleset, Date(key.day), requests, self._facts, self._results
            )
        successful = [answer for answer in answers if isinstance(answer, Answer)]
        self._requests.inc(len(successful))
        self._evaluated.inc(sum(answer.evaluations for answer in successful))
        return answers

    def _results(self) -> ResultStore:
        """Return this thread's store of results."""
        store: ResultStore | None = getattr(self._thread_local, "results", None)
        if store is None:
            store = self._thread_local.results = self._open_results()
        return store

    def _refresh(self, body: Refresh) -> Serving:
        digest = self._cache.refresh(body.ruleset, serve=body.serve)
        self._load_schema()
        _logger.info("refreshed", extra={"ruleset": digest, "serving": self._cache.served})
        return Serving(self._cache.served, digest)

    def _load_schema(self) -> None:
        self._openapi = None
        self._evaluations_decoder = msgspec.json.Decoder(evaluations_type(self._cache.schema))


async def _with_timeout(answer: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        message = f"the request took more than {seconds:g} seconds"
        raise UserError("service.timeout", message, "try again with fewer customers") from None
