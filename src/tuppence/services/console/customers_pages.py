"""The pages about one customer: the feed, every rule with its state, and the reasons.

Whoever opens them says why, and that is recorded.
"""

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.identifiers import check_identifier
from tuppence.feel.values import Date
from tuppence.plain_text import printable_json
from tuppence.results.result import Result
from tuppence.services.console.customer_views import HEIGHT, STREAMS, WIDTH, consents_of, outlook_of
from tuppence.services.console.page import PERSON, ConsoleDependencies, Pages, address
from tuppence.services.console.reasons import REASONS, Reasons
from tuppence.services.console.trying import shown_reasons
from tuppence.services.feed_page.showing import feed_of, hidden_of
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.build_feed import FeedRequest, locale_of, served_feed
from tuppence.usecases.explain_result import explain_result
from tuppence.usecases.prove_result import prove_result

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
        erased: Called after a customer was erased.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages, erased: Callable[[], None]) -> None:
        self._deps = deps
        self._pages = pages
        self._erased = erased
        self._reasons = Reasons(deps.feeds.clock)

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
        if self._reason(customer) is None:
            return self._ask(customer, "")

        def build() -> Mapping[str, Any]:
            self._note("page of a customer", customer)
            return {
                **self._feed(customer),
                "outlook": outlook_of(self._deps.store, customer, self._use(customer)),
                "consents": list(
                    consents_of(self._deps.store.consents_of(customer), self._deps.today())
                ),
            }

        found = await run_in_threadpool(build)
        return self._pages.page(
            "customer.html",
            customer,
            _SECTION,
            customer=customer,
            columns=STREAMS,
            width=WIDTH,
            height=HEIGHT,
            may_erase=self._deps.privacy is not None,
            **found,
        )

    async def open(self, request: Request) -> Response:
        """Take the reason why somebody wants to see a customer, and show the page."""
        fields = await read_form(request)
        customer = check_identifier(field_of(fields, "customer"), "customer")
        rule = fields.get("rule", [""])[0]
        reason, case = fields.get("reason", [""])[0], fields.get("case", [""])[0].strip()
        try:
            self._reasons.give(PERSON.get(), customer, reason, case)
        except UserError as error:
            return self._ask(customer, rule, error)
        target = address("/customer", customer=customer)
        if rule:
            target = address("/reason", customer=customer, rule=check_identifier(rule, "rule"))
        return RedirectResponse(target, 303)

    async def reason(self, request: Request) -> Response:
        """Show why a rule of the last run came out for a customer as it did."""
        customer = check_identifier(request.query_params.get("customer", ""), "customer")
        rule = check_identifier(request.query_params.get("rule", "").partition(".")[0], "rule")
        if self._reason(customer) is None:
            return self._ask(customer, rule)
        deps = self._deps

        def explain() -> Mapping[str, Any]:
            self._note(f"reasons of {rule}", customer)
            found = explain_result(deps.store, customer, rule, deps.purposes, deps.today())
            return shown_reasons(found)

        reasons = await run_in_threadpool(explain)
        return self._pages.page(
            "reason.html",
            f"{customer}: {reasons['title']}",
            _SECTION,
            reasons=reasons,
            level=2,
            back=(address("/customer", customer=customer), customer),
            proof=(customer, rule),
        )

    async def proof(self, request: Request) -> Response:
        """Send the proof of a result as a file."""
        fields = await read_form(request)
        customer = check_identifier(field_of(fields, "customer"), "customer")
        rule = check_identifier(field_of(fields, "rule"), "rule")
        deps = self._deps

        def prove() -> bytes:
            self._note(f"proof of {rule}", customer)
            version = importlib.metadata.version("tuppence")
            return prove_result(deps.store, customer, rule, deps.purposes, deps.today(), version)

        return _file(await run_in_threadpool(prove), f"{rule}.proof.json")

    async def export(self, request: Request) -> Response:
        """Send everything that is held about a customer as a file."""
        customer = check_identifier(field_of(await read_form(request), "customer"), "customer")

        def export() -> bytes:
            privacy = self._privacy()
            self._note("export of all data", customer)
            found = msgspec.json.encode(privacy.export(customer))
            return printable_json(msgspec.json.format(found).decode()).encode()

        return _file(await run_in_threadpool(export), "export.json")

    async def erase(self, request: Request) -> Response:
        """Ask whether to erase a customer, or erase them if their name was written once more."""
        fields = await read_form(request)
        customer = check_identifier(field_of(fields, "customer"), "customer")
        written = fields.get("written", [None])[0]
        self._required(customer)
        if written != customer:
            return self._pages.page(
                "erase.html",
                f"Erase {customer}",
                _SECTION,
                200 if written is None else 422,
                customer=customer,
                is_wrong=written is not None,
                report=None,
            )

        def erase() -> Any:
            privacy = self._privacy()
            self._note("erasure", customer)
            report = privacy.erase(customer)
            self._erased()
            return report

        report = await run_in_threadpool(erase)
        return self._pages.page("erase.html", "Erased", _SECTION, customer="", report=report)

    def _feed(self, customer: str) -> Mapping[str, Any]:
        feeds = self._deps.feeds
        kept = feeds.store.kept(customer)
        person = feeds.people.find(customer, self._deps.today())
        results = () if person.frozen else person.results
        locale, model = locale_of(kept), feeds.model()
        given = FeedRequest(person, kept, feeds.policy, feeds.clock(), model=model)
        feed = served_feed(given)

        def why(item: str) -> str:
            return address("/reason", customer=customer, rule=item)

        return {
            "shown": feed_of(feed, None, locale, why),
            "hidden": hidden_of(feed, person, kept, locale, feeds.policy.time_zone),
            "rules": [
                _state(one, person.rules[one.rule_id].title, customer)
                for one in sorted(results, key=lambda one: (_ORDER.index(one.state), one.rule_id))
                if one.rule_id in person.rules
            ],
        }

    def _use(self, customer: str) -> Use:
        """Return the use of facts as of the last run, whose results the page shows."""
        today = self._deps.today()
        person = self._deps.feeds.people.find(customer, today)
        return Use(self._deps.purposes, today.day, person.as_of.day)

    def _ask(self, customer: str, rule: str, error: UserError | None = None) -> Response:
        return self._pages.page(
            "why.html",
            f"Why do you open {customer}?",
            _SECTION,
            422 if error else 200,
            customer=customer,
            rule=rule,
            reasons=REASONS,
            error=error,
        )

    def _reason(self, customer: str) -> str | None:
        return self._reasons.of(PERSON.get(), customer)

    def _required(self, customer: str) -> str:
        reason = self._reason(customer)
        if reason is None:
            hint = "open the page of the customer, and say why"
            raise UserError("reason.missing", "no reason was given for this customer", hint)
        return reason

    def _note(self, what: str, customer: str) -> None:
        self._deps.note_read(what, [customer], self._required(customer))

    def _privacy(self) -> Any:
        if self._deps.privacy is None:
            raise UserError(
                "privacy.nowhere", "this console can neither export nor erase customers"
            )
        return self._deps.privacy


def _state(one: Result, title: str, customer: str) -> RuleState:
    score = "" if one.score is None else f"{one.score:.0f}"
    where = address("/reason", customer=customer, rule=one.rule_id)
    state = STATES[one.state]
    return RuleState(one.rule_id, title, state, str(Date(one.since)), score, where)


def _file(content: bytes, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/json", headers=headers)
