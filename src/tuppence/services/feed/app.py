"""The feed as an HTTP service."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tuppence.errors import UserError
from tuppence.feed.choice import Outcome
from tuppence.feed.items import DAY, EventKind, ItemId, ItemState, item_id
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import Preferences
from tuppence.feel.values import Date
from tuppence.services.application import application
from tuppence.services.batching import Batcher
from tuppence.services.bodies import json_response, parse_count, read_body
from tuppence.services.feed.answers import (
    MAX_LIMIT,
    hidden_answer,
    milliseconds,
    moment,
    order_answer,
    parse_channel,
    read_cursor,
)
from tuppence.services.feed.messages import (
    CountAnswer,
    EventIn,
    EventsIn,
    StateIn,
    WithdrawalIn,
    WithdrawalOut,
    WithdrawalsAnswer,
)
from tuppence.services.feed.openapi import openapi_document
from tuppence.services.feed.together import Asked, KeptAnswers, Page, answer_together
from tuppence.services.feed.tokens import FeedAccess, Keys, customer_in, operator_in, read_receipt
from tuppence.services.feed.unsubscriptions import unsubscriptions
from tuppence.services.metrics import Metrics
from tuppence.usecases.build_feed import Feed, FeedRequest, served_feed
from tuppence.usecases.delivery_ports import UNSUBSCRIBE_PATH
from tuppence.usecases.feed_ports import (
    FeedReader,
    FeedStore,
    Kept,
    People,
    View,
    Withdrawal,
)
from tuppence.usecases.order_feed import Model, no_model
from tuppence.usecases.record_events import (
    Happened,
    Refused,
    answer_item,
    record_events,
    refusal,
    undo_answer,
)
from tuppence.usecases.replace_preferences import replace_preferences
from tuppence.usecases.withdraw_rule import withdraw_rule

_logger: Final = logging.getLogger(__name__)
BODY_BYTES: Final = 1_000_000
"""Maximum size of a request's body."""
WORKERS: Final = 3
"""Number of threads that answer requests for feeds; two of them can be at work, see `Shares`."""
MAX_BATCH: Final = 32
"""Maximum number of requests for feeds that are answered together."""
ANSWER_SECONDS: Final = 10.0
"""Time until a request for a feed is refused, so that nobody waits for a database that hangs."""
MAX_WAITING: Final = 8_000
"""Maximum number of requests for feeds that wait."""


class FeedDependencies(NamedTuple):
    """The dependencies of the service.

    Attributes:
        people: The customers.
        store: Keeps what they do.
        read: Reads the input of feeds.
        explain: Explains the result of a rule for a customer on a day.
        unsubscribe: Switches the channel of a delivery off; returns False if it is not known.
        policy: The policy of the feed.
        clock: Returns the time, in milliseconds since 1970-01-01.
        check: Raises a UserError if the service cannot do its work now.
        close: Closes what is open.
        model: Returns the published model; None if feeds are in rule order.
    """

    people: People
    store: FeedStore
    read: FeedReader
    explain: Callable[[str, str, Date], Mapping[str, Any]]
    unsubscribe: Callable[[str], bool]
    policy: Policy
    clock: Callable[[], int]
    check: Callable[[], None]
    close: Callable[[], None]
    model: Callable[[], Model | None] = no_model


def feed_app(
    deps: FeedDependencies, keys: Keys, operators: Mapping[str, str], caller_requests: int
) -> Starlette:
    """Return the feed as an application.

    Args:
        deps: Its dependencies; closed when the application ends.
        keys: Keys of customers' tokens.
        operators: Names of operators by the digest of their token.
        caller_requests: Maximum number of concurrent requests of one caller.
    """
    metrics = Metrics("feed")
    service = _FeedService(deps, keys, metrics)
    checking = ThreadPoolExecutor(1, "check")  # so that readiness waits for no request

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.executor.shutdown()
        checking.shutdown()
        await run_in_threadpool(deps.close)

    async def check() -> None:
        await asyncio.get_running_loop().run_in_executor(checking, deps.check)

    item = "/v1/feed/items/{item}"
    routes = [
        Route("/v1/feed", service.feed),
        Route("/v1/feed/count", service.count),
        Route("/v1/feed/hidden", service.hidden),
        Route("/v1/feed/events", service.events, methods=["POST"]),
        Route(f"{item}/state", service.answer, methods=["PUT"]),
        Route(f"{item}/state", service.undo, methods=["DELETE"]),
        Route(f"{item}/explanation", service.explanation),
        Route("/v1/preferences", service.preferences, methods=["GET"]),
        Route("/v1/preferences", service.prefer, methods=["PUT"]),
        Route("/v1/withdrawals", service.withdrawals, methods=["GET"]),
        Route("/v1/withdrawals", service.withdraw, methods=["POST"]),
        Route(
            f"{UNSUBSCRIBE_PATH}{{delivery}}",
            unsubscriptions(deps.unsubscribe),
            methods=["GET", "POST"],
        ),
        Route("/openapi.json", service.openapi),
    ]
    access = FeedAccess(keys, operators, deps.clock)
    return application(routes, check, metrics, access, caller_requests, lifespan)


class _FeedService:
    def __init__(self, deps: FeedDependencies, keys: Keys, metrics: Metrics) -> None:
        self._deps = deps
        self._keys, self._kept = keys, KeptAnswers()
        self.executor = ThreadPoolExecutor(WORKERS, "feed")
        self._batcher: Batcher[None, Asked, Response] = Batcher(
            self._answer_all, self.executor, WORKERS, MAX_BATCH, MAX_WAITING
        )
        self._events = msgspec.json.Decoder(EventsIn)
        self._state = msgspec.json.Decoder(StateIn)
        self._preferences = msgspec.json.Decoder(Preferences)
        self._withdrawal = msgspec.json.Decoder(WithdrawalIn)
        self._recorded = metrics.counter("events", "Events by what became of them.", ("outcome",))

    async def feed(self, request: Request) -> Response:
        """Return a page of the customer's feed."""
        customer, page = customer_in(request), _page(request.scope["query_string"])
        asked = Asked(customer, page, request.headers.get("if-none-match", ""))
        try:
            return await self._batcher.answer("feeds", None, asked, 1, ANSWER_SECONDS)
        except TimeoutError:
            message = f"the feed was not read within {ANSWER_SECONDS:g} seconds"
            raise UserError("service.timeout", message, "try again in a second") from None

    def _answer_all(self, _: None, asked: Sequence[Asked]) -> Sequence[Response | UserError]:
        """Answer requests for feeds: what they need is read together."""
        deps, now = self._deps, self._deps.clock()
        known = deps.read([one.customer for one in asked], Date(now // DAY))
        model = deps.model()
        return answer_together(asked, known, deps.policy, now, model, self._keys, self._kept)

    async def count(self, request: Request) -> Response:
        """Count the items of the customer's feed."""
        feed, kept = await run_in_threadpool(self._build, customer_in(request))
        unseen = sum(not _state(kept, one.candidate.item).seen for one in feed.items)
        return json_response(CountAnswer(len(feed.items), unseen))

    async def hidden(self, request: Request) -> Response:
        """Return the insights that apply to the customer and are not shown, with reasons."""
        feed, kept = await run_in_threadpool(self._build, customer_in(request))
        return json_response(hidden_answer(feed, kept))

    async def events(self, request: Request) -> Response:
        """Record what the customer did."""
        customer = customer_in(request)
        body = await read_body(request, self._events, BODY_BYTES)
        views = dict[str, View]()
        for text in body.receipts:
            with suppress(UserError):  # events of a view that is not known are refused one by one
                name, view = read_receipt(self._keys, customer, text)
                views[name] = view
        happened, impossible = list[Happened](), list[Refused]()
        for one in body.events:
            try:
                happened.append(_happened(one))
            except UserError as error:
                impossible.append(refusal(one.id, error))
        sent_at = None if body.sent_at is None else milliseconds(body.sent_at)
        deps = self._deps
        done = await run_in_threadpool(
            lambda: record_events(
                deps.store, customer, views, happened, deps.policy, deps.clock(), sent_at
            )
        )
        done = msgspec.structs.replace(done, refused=(*done.refused, *impossible))
        counts = {
            "recorded": done.recorded,
            "repeated": done.repeated,
            "refused": len(done.refused),
        }
        for outcome, number in counts.items():
            self._recorded.labels(outcome).inc(number)
        return json_response(done)

    async def answer(self, request: Request) -> Response:
        """Record the customer's answer to an item."""
        customer, item = customer_in(request), item_id(request.path_params["item"])
        body = await read_body(request, self._state, BODY_BYTES)
        view = read_receipt(self._keys, customer, body.receipt)
        until = None if body.until is None else milliseconds(body.until)
        deps = self._deps
        await run_in_threadpool(
            lambda: answer_item(
                deps.store,
                customer,
                view,
                item,
                EventKind(body.state),
                deps.policy,
                deps.clock(),
                until,
            )
        )
        return Response(status_code=204)

    async def undo(self, request: Request) -> Response:
        """Undo the customer's answer to an item."""
        customer, item = customer_in(request), item_id(request.path_params["item"])
        deps = self._deps
        await run_in_threadpool(
            lambda: undo_answer(deps.store, customer, item, deps.policy, deps.clock())
        )
        return Response(status_code=204)

    async def explanation(self, request: Request) -> Response:
        """Explain why the customer sees an item, or does not see it."""
        customer, item = customer_in(request), item_id(request.path_params["item"])

        def explain() -> dict[str, Any]:
            feed, _ = self._build(customer)
            found = next((one for one in feed.candidates if one.item == item), None)
            if found is None or found.outcome is Outcome.WITHDRAWN:
                raise UserError("feed.unknown-item", f"{item} does not apply to this customer now")
            reasons = self._deps.explain(customer, item.rule_id, self._today())
            about = {"id": str(item), "outcome": found.outcome, "tier": found.tier}
            order = order_answer(feed, found)
            return {**about, "place": found.place, "order": order, "result": reasons}

        return json_response(await run_in_threadpool(explain))

    async def preferences(self, request: Request) -> Response:
        """Return the customer's choices."""
        kept = await run_in_threadpool(self._deps.store.kept, customer_in(request))
        return json_response(kept.preferences)

    async def prefer(self, request: Request) -> Response:
        """Replace the customer's choices."""
        customer = customer_in(request)
        body = await read_body(request, self._preferences, BODY_BYTES)
        await run_in_threadpool(replace_preferences, self._deps.store, customer, body)
        return json_response(body)

    async def withdrawals(self, request: Request) -> Response:
        """Return all withdrawals and restorations of rules."""
        operator_in(request)
        kept = await run_in_threadpool(self._deps.store.withdrawals)
        return json_response(
            WithdrawalsAnswer(
                tuple(
                    WithdrawalOut(one.rule_id, one.withdrawn, one.by, one.reason, moment(one.at))
                    for one in kept
                )
            )
        )

    async def withdraw(self, request: Request) -> Response:
        """Withdraw a rule from all feeds at once, or restore it."""
        operator = operator_in(request)
        body = await read_body(request, self._withdrawal, BODY_BYTES)
        one = Withdrawal(body.rule, body.withdrawn, operator, body.reason, self._deps.clock())
        await run_in_threadpool(withdraw_rule, self._deps.people, self._deps.store, one)
        _logger.info("withdrawn" if body.withdrawn else "restored", extra={"rule": body.rule})
        return Response(status_code=204)

    async def openapi(self, _: Request) -> Response:
        """Return the OpenAPI document."""
        return json_response(openapi_document())

    def _build(self, customer: str) -> tuple[Feed, Kept]:
        (found,) = self._deps.read([customer], self._today())
        if isinstance(found, UserError):
            raise found
        person, kept = found
        deps = self._deps
        given = FeedRequest(person, kept, deps.policy, deps.clock(), model=deps.model())
        return served_feed(given), kept

    def _today(self) -> Date:
        return Date(self._deps.clock() // DAY)


@functools.lru_cache(maxsize=1_000)  # an app asks for few pages; errors are not kept
def _page(query_string: bytes) -> Page:
    query = QueryParams(query_string)
    limit = parse_count("limit", query.get("limit", "20"), MAX_LIMIT)
    after = read_cursor(query.get("cursor"))
    return Page(query.get("locale"), after, limit, parse_channel(query.get("channel")))


def _happened(one: EventIn) -> Happened:
    until = None if one.until is None else milliseconds(one.until)
    item = item_id(one.item)
    return Happened(one.id, one.kind, item, one.view, milliseconds(one.at), until)


def _state(kept: Kept, item: ItemId) -> ItemState:
    return kept.states.get(item, ItemState())
