"""The page on which rules are published: what changes, for how many, and what engines confirm."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.services.console.page import PERSON, ConsoleDependencies, Pages, Team
from tuppence.services.console.permissions import may
from tuppence.services.console.trying import Trying, cost_sentence
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.nights import by_day, nights_of
from tuppence.usecases.previewer import Preview
from tuppence.usecases.publish_rules import Confirmation, Expected
from tuppence.usecases.publisher import Plan, Publisher

MAX_COUNTED: Final = 20
"""Maximum number of rules whose effect is counted; further ones are listed without."""
MAX_LISTED: Final = 10
"""Number of publications that are listed."""
_SECTION: Final = "Publish"


class Effect(NamedTuple):
    """The effect of a rule that a publication brings, changes or takes away.

    Attributes:
        rule_id: The rule.
        title: Its title.
        change: `new`, `changed` or `removed`.
        found: The expected effect; None if it was not counted.
        reach: Number of customers who qualified in the last night, for a rule that goes; None if
            that is not known.
    """

    rule_id: str
    title: str
    change: str
    found: Preview | None
    reach: int | None


class PublishPages:
    """The page of publications.

    Args:
        deps: The ports of the console.
        team: The ports of the team.
        pages: Renders the templates.
        trying: Tries rules.
    """

    def __init__(self, deps: ConsoleDependencies, team: Team, pages: Pages, trying: Trying) -> None:
        self._deps = deps
        self._team = team
        self._pages = pages
        self._trying = trying

    async def home(self, request: Request) -> Response:
        """Show what a publication would change, and the last ones."""
        del request
        async with self._trying.waiting:
            return await run_in_threadpool(self._page)

    def _page(
        self,
        status: int = 200,
        refusal: UserError | None = None,
        confirmed: Sequence[Confirmation] | None = None,
        published: str = "",
    ) -> Response:
        publisher, plan, problem = self._team.publisher, None, refusal
        if publisher is not None:
            try:
                plan = publisher.plan(PERSON.get(), self._deps.today())
            except UserError as error:
                problem = refusal or error
        effects = [] if plan is None else self._effects(plan)
        return self._pages.page(
            "publish.html",
            "Publish",
            _SECTION,
            status,
            day=str(self._deps.today()),
            is_possible=publisher is not None,
            plan=plan,
            current="" if publisher is None else publisher.current(),
            effects=effects,
            cost=self._cost(effects),
            problem=problem,
            confirmed=confirmed,
            published=published,
            publications=self._team.reviews.publications(MAX_LISTED),
            may_publish=may(PERSON.get(), "/publish", "POST"),
        )

    def _effects(self, plan: Plan) -> list[Effect]:
        found: list[Effect] = []
        for change, rules in (("new", plan.added), ("changed", plan.changed)):
            for checked in rules:
                counted = len(found) < MAX_COUNTED
                preview = self._trying.counted(checked) if counted else None
                rule = checked.rule
                found.append(Effect(rule.id, rule.title, change, preview, None))
        nights = by_day(nights_of(self._deps.store)) if plan.removed else []
        reach = nights[0].rules if nights else {}
        for gone in plan.removed:
            count = reach.get(gone.id)
            qualified = None if count is None else count.qualified
            found.append(Effect(gone.id, gone.title, "removed", None, qualified))
        return found

    def _cost(self, effects: Sequence[Effect]) -> str:
        """Return what the rules that come or change cost, in a sentence; empty if not known."""
        found = [one.found for one in effects if one.found is not None]
        if not found or len(found) < sum(one.change != "removed" for one in effects):
            return ""
        micro = sum(one.microseconds for one in found)
        return cost_sentence(micro, found[0].customers, self._deps.hour)

    async def submit(self, request: Request) -> Response:
        """Publish what was seen, or an earlier ruleset again."""
        fields = await read_form(request)
        action, _, digest = field_of(fields, "do").partition(" ")
        expected = Expected(digest, field_of(fields, "current"))

        def act() -> Response:
            publisher = self._team.publisher
            if publisher is None or action not in {"publish", "again"} or not digest:
                raise UserError("request.body", "this is no action of this page")
            try:
                confirmed = self._act(publisher, action, expected)
            except UserError as error:
                return self._page(409, error)
            return self._page(confirmed=confirmed, published=digest)

        async with self._trying.waiting:
            return await run_in_threadpool(act)

    def _act(self, publisher: Publisher, action: str, expected: Expected) -> list[Confirmation]:
        person, day = PERSON.get(), self._deps.today()
        if action == "publish":
            return publisher.publish(person, day, expected)
        known = {one.ruleset for one in self._team.reviews.publications(MAX_LISTED)}
        if expected.made not in known:
            message = "this ruleset is none of the last publications"
            raise UserError("ruleset.unknown", message, "tuppence rules publish --ruleset does it")
        return publisher.again(person, day, expected)
