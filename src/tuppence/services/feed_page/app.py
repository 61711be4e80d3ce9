"""The page as a web application: forms and links, which work without JavaScript."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.feed.items import ANSWERS, DAY, EventKind, item_id
from tuppence.feed.preferences import Channel, Preferences, QuietHours
from tuppence.feel.values import Date
from tuppence.services.feed.app import FeedDependencies
from tuppence.services.feed.tokens import Keys, read_receipt, signed_view
from tuppence.services.feed_page.showing import (
    KINDS,
    detail_of,
    feed_of,
    hidden_of,
)
from tuppence.services.pages import PageGuard, field_of, read_form, templates_in
from tuppence.services.problems import STATUSES
from tuppence.usecases.build_feed import Feed, FeedRequest, locale_of, served_feed
from tuppence.usecases.compare_feeds import Earlier, FeedChanges, changes_of
from tuppence.usecases.feed_ports import Kept, Person
from tuppence.usecases.record_events import answer_item, see_item, undo_answer
from tuppence.usecases.replace_preferences import replace_preferences

COOKIE: Final = "tuppence-page"
MAX_LISTED: Final = 40
"""Maximum number of customers that the first page lists."""
SNOOZE_DAYS: Final = 7
"""Number of days that an insight is put away for, if the policy allows that many."""
CHANNELS: Final[Mapping[Channel, str]] = {"mail": "by e-mail", "push": "by push messages"}
"""The ways in which a person may be told of new insights, as the page calls them."""
_ANSWERS: Final = ANSWERS - {EventKind.UNDONE}
_FOLDER: Final = Path(__file__).parent
Customers = Callable[[str], Sequence[str]]
"""Returns some customers whose names begin with a text."""
Find = Callable[[str, Date], tuple[Person, Earlier | None]]
"""Returns a customer, and the run before the last one if there was one."""


def page_app(deps: FeedDependencies, customers: Customers, find: Find, key: str) -> Starlette:
    """Return the page as an application.

    Args:
        deps: The dependencies of feeds; closed when the application ends.
        customers: Lists customers.
        find: Finds a customer as of the last run and the one before.
        key: The secret in the address that the command prints; whoever has it sees every feed.
    """
    page = _Page(deps, customers, find, key)
    routes = [
        Route("/", page.home),
        Route("/feed", page.feed),
        Route("/item", page.item),
        Route("/hidden", page.hidden),
        Route("/choices", page.choices, methods=["GET"]),
        Route("/choices", page.choose, methods=["POST"]),
        Route("/answer", page.answer, methods=["POST"]),
        Route("/seen", page.seen, methods=["POST"]),
        Mount("/static", StaticFiles(directory=_FOLDER / "static")),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(deps.close)

    return Starlette(
        routes=routes,
        middleware=[Middleware(PageGuard, key=key, cookie=COOKIE, command="app")],
        exception_handlers={UserError: page.on_error},
        lifespan=lifespan,
    )


class _Page:
    def __init__(self, deps: FeedDependencies, customers: Customers, find: Find, key: str) -> None:
        self._deps = deps
        self._customers = customers
        self._find = find
        self._keys = Keys({"page": key})
        self._templates = templates_in(_FOLDER)

    # -- pages -----------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        """List customers."""
        wanted = request.query_params.get("customer", "")
        found = await run_in_threadpool(self._customers, wanted)
        listed = [(name, _address("/feed", name)) for name in found[:MAX_LISTED]]
        more = len(found) > MAX_LISTED
        return self._page("home.html", "Customers", None, listed=listed, wanted=wanted, more=more)

    async def feed(self, request: Request) -> Response:
        """Show a feed."""
        customer = _customer(request)

        def build() -> tuple[Feed, Kept, FeedChanges | None]:
            deps = self._deps
            kept, now = deps.store.kept(customer), deps.clock()
            person, earlier = self._find(customer, self._today())
            model, locale = deps.model(), locale_of(kept)
            feed = served_feed(FeedRequest(person, kept, deps.policy, now, model=model))
            if earlier is None or person.frozen:  # without a consent nothing is told, even of then
                return feed, kept, None
            changes = changes_of(feed, person, earlier, kept, deps.policy, now, locale, model)
            return feed, kept, changes

        feed, kept, changes = await run_in_threadpool(build)
        shown = feed_of(
            feed, changes, locale_of(kept), lambda item: _address("/item", customer, item=item)
        )
        answered, item = (request.query_params.get(name) for name in ("answered", "item"))
        return self._page(
            "feed.html",
            "For you",
            customer,
            shown=shown,
            receipt=signed_view(self._keys, feed.customer, feed.view).receipt,
            answered=answered if answered in _ANSWERS else None,
            item=item,
        )

    async def item(self, request: Request) -> Response:
        """Show one item with what it was computed from."""
        customer, item = _customer(request), item_id(request.query_params.get("item", ""))

        def build() -> tuple[Feed, Kept, Person, Mapping[str, Any]]:
            feed, kept, person = self._build(customer)
            return feed, kept, person, self._deps.explain(customer, item.rule_id, self._today())

        feed, kept, person, reasons = await run_in_threadpool(build)
        detail = detail_of(feed, person, item, reasons, locale_of(kept))
        return self._page(
            "item.html",
            detail.card.title,
            customer,
            detail=detail,
            receipt=signed_view(self._keys, feed.customer, feed.view).receipt,
        )

    async def hidden(self, request: Request) -> Response:
        """List what applies and is not shown."""
        customer = _customer(request)
        feed, kept, person = await run_in_threadpool(self._build, customer)
        listed = hidden_of(feed, person, kept, locale_of(kept), self._deps.policy.time_zone)
        return self._page("hidden.html", "Not shown", customer, listed=listed)

    async def choices(self, request: Request) -> Response:
        """Show a person's choices."""
        customer, deps = _customer(request), self._deps
        person = await run_in_threadpool(deps.people.find, customer, self._today())
        kept = await run_in_threadpool(deps.store.kept, customer)
        topics = sorted({rule.topic for rule in person.rules.values() if rule.topic})
        return self._page(
            "choices.html",
            "Choices",
            customer,
            kinds=KINDS,
            topics=topics,
            channels=CHANNELS,
            usual=deps.policy.quiet_hours,
            chosen=kept.preferences,
        )

    # -- forms -----------------------------------------------------------------------------------

    async def choose(self, request: Request) -> Response:
        """Replace a person's choices."""
        customer, form = _customer(request), await read_form(request)
        kinds, topics = form.get("kind", []), form.get("topic", [])
        known = await run_in_threadpool(self._deps.people.find, customer, self._today())
        all_topics = {rule.topic for rule in known.rules.values() if rule.topic}
        store = self._deps.store
        before = (await run_in_threadpool(store.kept, customer)).preferences
        elsewhere = {*before.topics_off} - all_topics  # the form does not have these
        chosen = Preferences(
            [kind for kind in KINDS if kind not in kinds],
            sorted(elsewhere | (all_topics - {*topics})),
            form.get("locale", [""])[0] or None,
            form.get("time_zone", [""])[0] or None,
            "rule_order" in form,
            [channel for channel in CHANNELS if channel in form.get("channel", [])],
            _quiet_hours(form),
        )
        await run_in_threadpool(replace_preferences, store, customer, chosen)
        return RedirectResponse(_address("/feed", customer), 303)

    async def answer(self, request: Request) -> Response:
        """Record an answer to an item, or undo it."""
        customer, form = _customer(request), await read_form(request)
        item, state = item_id(field_of(form, "item")), field_of(form, "state")
        deps, now = self._deps, self._deps.clock()
        if state == "undone":
            await run_in_threadpool(undo_answer, deps.store, customer, item, deps.policy, now)
            return RedirectResponse(_address("/feed", customer), 303)
        if state not in _ANSWERS:
            raise UserError("request.body", f"state: {state[:40]!a} is not an answer")
        view = read_receipt(self._keys, customer, field_of(form, "receipt"))
        kind, until = EventKind(state), None
        if kind is EventKind.SNOOZED:
            until = now + min(SNOOZE_DAYS, deps.policy.longest_snooze_days) * DAY
        await run_in_threadpool(
            answer_item, deps.store, customer, view, item, kind, deps.policy, now, until
        )
        target = _address("/feed", customer, answered=state, item=str(item))
        return RedirectResponse(target, 303)

    async def seen(self, request: Request) -> Response:
        """Record that an item was seen; the script of the page says so."""
        customer, form = _customer(request), await read_form(request)
        view = read_receipt(self._keys, customer, field_of(form, "receipt"))
        item, deps = item_id(field_of(form, "item")), self._deps
        await run_in_threadpool(
            see_item, deps.store, customer, view, item, deps.policy, deps.clock()
        )
        return Response(status_code=204)

    async def on_error(self, _: Request, error: Exception) -> Response:
        """Show an error in a sentence."""
        assert isinstance(error, UserError)  # noqa: S101 - it is registered for those
        status = STATUSES.get(error.code, 400)
        return self._page("error.html", "Not possible", None, error=error, status=status)

    # -- inside ----------------------------------------------------------------------------------

    def _build(self, customer: str) -> tuple[Feed, Kept, Person]:
        deps = self._deps
        kept = deps.store.kept(customer)
        person = deps.people.find(customer, self._today())
        given = FeedRequest(person, kept, deps.policy, deps.clock(), model=deps.model())
        feed = served_feed(given)
        return feed, kept, person

    def _today(self) -> Date:
        return Date(self._deps.clock() // DAY)

    def _page(
        self,
        template: str,
        title: str,
        customer: str | None,
        status: int = 200,
        **values: Any,
    ) -> Response:
        links = (
            []
            if customer is None
            else [
                (name, _address(path, customer))
                for name, path in (
                    ("For you", "/feed"),
                    ("Not shown", "/hidden"),
                    ("Choices", "/choices"),
                )
            ]
        )
        html = self._templates.get_template(template).render(
            title=title,
            customer=customer,
            links=links,
            action=lambda path: _address(path, customer or ""),
            **values,
        )
        return Response(html, status, media_type="text/html")


def _address(path: str, customer: str, **more: str) -> str:
    return f"{path}?{urlencode({'customer': customer, **more})}"


def _customer(request: Request) -> str:
    return check_identifier(request.query_params.get("customer", ""), "customer")


def _quiet_hours(form: Mapping[str, Sequence[str]]) -> QuietHours | None:
    """Return the quiet hours of a form; None if it has none.

    Raises:
        UserError: `request.body`: it has one time only, no times, or twice the same.
    """
    begin, end = (form.get(name, [""])[0] for name in ("quiet_from", "quiet_until"))
    if not begin and not end:
        return None
    try:
        return msgspec.convert({"from": begin, "until": end}, QuietHours)
    except msgspec.ValidationError:
        message = f"quiet hours: {begin[:40]!a} and {end[:40]!a} are not two different times"
        raise UserError("request.body", message, "give both as 21:00, or none") from None
