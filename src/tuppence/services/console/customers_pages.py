"""The pages about one customer: the feed, every rule with its state, and the reasons."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date
from tuppence.results.result import Result
from tuppence.services.console.page import ConsoleDependencies, Pages, address
from tuppence.services.console.trying import shown_reasons
from tuppence.services.feed_page.showing import Hidden, Shown, feed_of, hidden_of
from tuppence.usecases.build_feed import FeedRequest, locale_of, served_feed
from tuppence.usecases.explain_result import explain_result

MAX_LISTED: Final = 40
"""Maximum number of customers that are listed."""
STATES: Final[Mapping[str, str]] = {
    "qualified": "qualifies",
    "unknown": "unknown",
    "not_qualified": "does not",
}
_ORDER: Final = tuple(STATES)
_SECTION: Final = "Customers"


class RuleState(NamedTuple):
    """The result of a rule for a customer.

    Attributes:
        rule_id: The rule.
        title: Its title.
        state: Its state, in words.
        since: The day since which it has held.
        score: The score, or empty.
        address: Address of the reasons.
    """

    rule_id: str
    title: str
    state: str
    since: str
    score: str
    address: str


class CustomersPages:
    """The pages about customers.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages) -> None:
        self._deps = deps
        self._pages = pages

    async def home(self, request: Request) -> Response:
        """List customers."""
        wanted = request.query_params.get("customer", "")
        found = await run_in_threadpool(self._deps.customers, wanted)
        return self._pages.page(
            "customers.html",
            "Customers",
            _SECTION,
            listed=found[:MAX_LISTED],
            wanted=wanted,
            more=len(found) > MAX_LISTED,
        )

    async def customer(self, request: Request) -> Response:
        """Show the feed of a customer, what is not shown, and every rule with its state."""
        customer = check_identifier(request.query_params.get("customer", ""), "customer")

        await run_in_threadpool(self._deps.note_read, "feed of a customer", [customer])

        def build() -> tuple[Shown, tuple[Hidden, ...], list[RuleState]]:
            feeds = self._deps.feeds
            kept = feeds.store.kept(customer)
            person = feeds.people.find(customer, self._deps.today())
            results = () if person.frozen else person.results
            locale, model = locale_of(kept), feeds.model()
            given = FeedRequest(person, kept, feeds.policy, feeds.clock(), model=model)
            feed = served_feed(given)

            def why(item: str) -> str:
                return address("/reason", customer=customer, rule=item)

            shown = feed_of(feed, None, locale, why)
            hidden = hidden_of(feed, person, kept, locale, feeds.policy.time_zone)
            rules = [
                _state(one, person.rules[one.rule_id].title, customer)
                for one in sorted(results, key=lambda one: (_ORDER.index(one.state), one.rule_id))
                if one.rule_id in person.rules
            ]
            return shown, hidden, rules

        shown, hidden, rules = await run_in_threadpool(build)
        return self._pages.page(
            "customer.html",
            customer,
            _SECTION,
            customer=customer,
            shown=shown,
            hidden=hidden,
            rules=rules,
        )

    async def reason(self, request: Request) -> Response:
        """Show why a rule of the last run came out for a customer as it did."""
        customer = check_identifier(request.query_params.get("customer", ""), "customer")
        rule = check_identifier(request.query_params.get("rule", "").partition(".")[0], "rule")
        deps = self._deps

        def explain() -> Mapping[str, Any]:
            found = explain_result(deps.store, customer, rule, deps.purposes, deps.today())
            return shown_reasons(found)

        await run_in_threadpool(self._deps.note_read, f"reasons of {rule}", [customer])
        reasons = await run_in_threadpool(explain)
        return self._pages.page(
            "reason.html",
            f"{customer}: {reasons['title']}",
            _SECTION,
            reasons=reasons,
            level=2,
            back=(address("/customer", customer=customer), customer),
        )


def _state(one: Result, title: str, customer: str) -> RuleState:
    score = "" if one.score is None else f"{one.score:.0f}"
    where = address("/reason", customer=customer, rule=one.rule_id)
    state = STATES[one.state]
    return RuleState(one.rule_id, title, state, str(Date(one.since)), score, where)
