"""The HTTP side of the rules engine."""

import asyncio
import gc
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

from tuppence.errors import UserError
from tuppence.facts.given import account_ids, rows_of
from tuppence.facts.identifiers import check_identifier
from tuppence.facts.source import CustomerFacts
from tuppence.feel.values import Date
from tuppence.results.result import ResultStore, State
from tuppence.services.application import application
from tuppence.services.bodies import (
    asked_date,
    json_response,
    path_identifier,
    read_body,
)
from tuppence.services.metrics import Metrics
from tuppence.services.rules_engine.batching import Batcher
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
BODY_BYTES: Final = 16_000_000
BATCH: Final = 256
"""Customers of small requests that are evaluated together."""
SMALL_ROWS: Final = 2_000
"""Transactions of a request that is evaluated between others, in less than a millisecond or so."""


class Limits(NamedTuple):
    """How much a rules engine takes on.

    Attributes:
        batches: Worked on at once: while one waits for facts another is evaluated.
        waiting: Customers at most that wait; one caller may have half of them, see `WaitingRoom`.
        seconds: A request may take.
        caller_requests: Requests of one caller that are worked on, or wait, at a time.
    """

    batches: int = 2
    waiting: int = 40_000
    seconds: float = 30.0
    caller_requests: int = 512


class _Key(NamedTuple):
    """Of requests that may be in one batch. Batches of different callers take turns."""

    ruleset: str
    day: int
    given: bool
    rules: frozenset[str] | None
    caller: str


def rules_engine_app(
    cache: RulesetCache,
    facts: CustomerFacts,
    open_results: Callable[[], ResultStore],
    callers: Mapping[str, str],
    limits: Limits,
) -> Starlette:
    """The service.

    Args:
        cache: The rulesets that are ready; it has begun.
        facts: Of customers.
        open_results: Opens the store of results, once in each thread that evaluates.
        callers: Who may call: names by the digest of their token.
        limits: How much it takes on.
    """
    metrics = Metrics("rules_engine")
    service = _RulesEngine(cache, facts, open_results, limits, metrics)
    one = "/v1/customers/{customer_id}/rules/{rule_id}"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(service.begin)
        yield
        await run_in_threadpool(service.end)

    routes = [
        Route("/v1/evaluations", service.evaluations, methods=["POST"]),
        Route(f"{one}/evaluation", service.evaluation, methods=["POST"]),
        Route(f"{one}/explanation", service.explanation),
        Route("/v1/ruleset", service.ruleset),
        Route("/v1/ruleset/refresh", service.refresh, methods=["POST"]),
        Route("/openapi.json", service.openapi),
    ]
    return application(routes, service.check, metrics, callers, limits.caller_requests, lifespan)


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
        self._seconds = limits.seconds
        self._preparing = asyncio.Lock()
        self._document: bytes | memoryview | None = None  # of OpenAPI, once somebody asks for it
        self._of_thread = threading.local()
        self._executor = ThreadPoolExecutor(limits.batches, "evaluation")
        self._in_threads: Batcher[_Key, Request, Answer] = Batcher(
            self._evaluate, self._executor, limits.batches, BATCH, limits.waiting
        )
        self._between: Batcher[_Key, Request, Answer] = Batcher(
            self._evaluate, None, 1, BATCH, limits.waiting
        )
        self._one = msgspec.json.Decoder(OneEvaluation)
        self._refresh = msgspec.json.Decoder(Refresh)
        self._evaluations: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)
        self._batches = metrics.histogram("batch_seconds", "Time of a batch of requests.")
        self._requests = metrics.counter("batch_requests", "Requests in batches.")
        self._evaluated = metrics.counter("evaluations", "Pairs of a customer and a rule.")
        batchers = (self._in_threads, self._between)
        metrics.gauge(
            "customers_waiting", "To be evaluated.", lambda: sum(b.waiting for b in batchers)
        )

    def begin(self) -> None:
        """See that no request has to wait for what could be done before."""
        self._learn_schema()
        gc.freeze()  # what is loaded now stays: the collector need not look at it again

    def end(self) -> None:
        """Finish what is begun."""
        self._executor.shutdown()

    # -- requests --------------------------------------------------------------------------------

    async def evaluations(self, http: HttpRequest) -> Response:
        """Evaluate customers, or facts that are handed over."""
        asked = await read_body(http, self._evaluations, BODY_BYTES)
        for customer in asked.customers or ():
            check_identifier(customer, "customers")
        for given in asked.facts or ():
            for account in account_ids(given):
                check_identifier(account, "facts: accounts: id")
        if (asked.customers is msgspec.UNSET) == (asked.facts is msgspec.UNSET):
            raise UserError("request.body", "the body: either customers or facts are needed")
        rules = None if asked.rules is None else frozenset(asked.rules)
        customers = tuple(dict.fromkeys(asked.customers or ()))
        request = Request(customers, tuple(asked.facts or ()), rules, asked.results)
        answer = await self._answer(
            http.user.display_name, asked.ruleset, asked_date(asked.as_of), request
        )
        named = {name: getattr(answer, name) for name in Answer.__struct_fields__}
        return json_response(EvaluationsAnswer(**named, run_id=asked.run_id))

    async def evaluation(self, http: HttpRequest) -> Response:
        """Evaluate one rule for one customer."""
        customer, rule = path_identifier(http, "customer_id"), path_identifier(http, "rule_id")
        asked = await read_body(http, self._one, BODY_BYTES)
        request = Request((customer,), (), frozenset({rule}), results=True)
        answer = await self._answer(
            http.user.display_name, asked.ruleset, asked_date(asked.as_of), request
        )
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
        """Why a rule says what it says of a customer."""
        query = http.query_params
        digest, date = self._wanted(query.get("ruleset")), asked_date(query.get("as_of", ""))
        customer, rule = path_identifier(http, "customer_id"), path_identifier(http, "rule_id")

        def explain() -> dict[str, Any]:
            engine = self._cache.engine(digest, date)
            return explain_kept(engine, customer, rule, self._facts, self._cache.schema)

        return json_response(await self._in_time(run_in_threadpool(explain)))

    async def ruleset(self, _: HttpRequest) -> Response:
        """Which ruleset is served."""
        return json_response(Serving(self._cache.served))

    async def refresh(self, http: HttpRequest) -> Response:
        """Make a ruleset ready, and serve it from now on."""
        asked = await read_body(http, self._refresh, BODY_BYTES)
        return json_response(await run_in_threadpool(self._refreshed, asked))

    async def openapi(self, _: HttpRequest) -> Response:
        """This API in the terms of OpenAPI."""
        if self._document is None:
            self._document = json_response(openapi_document(self._cache.schema)).body
        return Response(self._document, media_type="application/json")

    async def check(self) -> None:
        """See that a ruleset is served."""
        self._wanted(None)

    # -- inside ----------------------------------------------------------------------------------

    def _wanted(self, digest: str | None) -> str:
        """The ruleset that a request names, or the one that is served."""
        wanted = digest or self._cache.served
        if wanted is None:
            raise nothing_published()
        return wanted

    async def _answer(
        self, caller: str, digest: str | None, as_of: Date, request: Request
    ) -> Answer:
        wanted = self._wanted(digest)
        if self._cache.ready(wanted, as_of) is None:
            await self._in_time(self._make_ready(wanted, as_of))
        key = _Key(wanted, as_of.day, bool(request.given), request.partial_rules, caller)
        weight = len(request.customers) + len(request.given)
        small = request.given and sum(rows_of(given) for given in request.given) <= SMALL_ROWS
        batcher = self._between if small else self._in_threads
        return await self._in_time(batcher.answer(caller, key, request, weight))

    async def _make_ready(self, digest: str, as_of: Date) -> None:
        """Load or plan one at a time: who waits for that needs no thread, and may leave."""
        async with self._preparing:
            await run_in_threadpool(self._cache.engine, digest, as_of)

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await answer
        except TimeoutError:
            message = f"it took more than {self._seconds:g} seconds"
            raise UserError("service.timeout", message, "try again with fewer customers") from None

    def _evaluate(self, key: _Key, requests: Sequence[Request]) -> Sequence[Answer | UserError]:
        """Answer requests about one ruleset and date; those with unknown rules are refused."""
        with self._batches.time():
            answers = answer_requests(
                self._cache, key.ruleset, Date(key.day), requests, self._facts, self._results
            )
        good = [answer for answer in answers if isinstance(answer, Answer)]
        self._requests.inc(len(good))
        self._evaluated.inc(sum(answer.evaluations for answer in good))
        return answers

    def _results(self) -> ResultStore:
        store: ResultStore | None = getattr(self._of_thread, "results", None)
        if store is None:
            store = self._of_thread.results = self._open_results()
        return store

    def _refreshed(self, asked: Refresh) -> Serving:
        digest = self._cache.refresh(asked.ruleset, serve=asked.serve)
        self._learn_schema()
        return Serving(self._cache.served, digest)

    def _learn_schema(self) -> None:
        self._document = None
        self._evaluations = msgspec.json.Decoder(evaluations_type(self._cache.schema))
