"""The pages on which rules are listed, written, tried and saved."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.rules.checking import CheckedRule
from tuppence.rules.completion import complete
from tuppence.rules.definition_checking import Examine
from tuppence.rules.rule import Communication, InsightKind
from tuppence.services.console.drafts import Draft, Drafts, encoded
from tuppence.services.console.forms import form_of, new_form, with_test
from tuppence.services.console.marking import code_points, utf16
from tuppence.services.console.page import (
    PERSON,
    ConsoleDependencies,
    Pages,
    address,
    wants_part,
)
from tuppence.services.console.permissions import may
from tuppence.services.console.trying import Trying
from tuppence.services.console.words import Choices
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.check_rules import examiner_of
from tuppence.usecases.edit_rules import EditedRule, RuleBook, StoredRule, differences, standing_of
from tuppence.usecases.nights import by_day, nights_of

MAX_BYTES: Final = 1_000_000
"""Maximum size of a form with a rule."""
MAX_FIELDS: Final = 2_000
KINDS: Final[tuple[str, ...]] = get_args(InsightKind)
COMMUNICATIONS: Final[tuple[str, ...]] = get_args(Communication)
STATES: Final = {
    "same": "as in the last run",
    "changed": "changed since the last run",
    "new": "new since the last run",
    "error": "has an error",
    "warning": "has a warning",
}
"""The states of rules, with their words; one with a warning has another state, too."""
_SECTION: Final = "Rules"


class Listed(NamedTuple):
    """A rule of the list.

    Attributes:
        name: Name of its file.
        rule_id: Its identifier; empty if it is not known.
        title: Its title.
        kind: Its kind.
        topic: Its topic.
        state: A key of `STATES`: that beside the last run, unless it has an error.
        has_warning: Whether it has a warning and no error.
        problems: The first problem in a sentence, or empty.
        problem_count: Number of problems.
        reach: Numbers of customers who qualified in the last nights, newest first; None where it
            is not known.
    """

    name: str
    rule_id: str
    title: str
    kind: str
    topic: str
    state: str
    has_warning: bool
    problems: str
    problem_count: int
    reach: tuple[int | None, ...]


class RulesPages:
    """The pages of rules.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
        book: The rules of the folder.
        trying: Tries rules.
    """

    def __init__(
        self, deps: ConsoleDependencies, pages: Pages, book: RuleBook, trying: Trying
    ) -> None:
        self._deps = deps
        self._pages = pages
        self._book = book
        self._trying = trying
        self._drafts = Drafts(book)
        self._choices = Choices(deps)

    def usable(self) -> list[CheckedRule]:
        """Return the rules without errors."""
        found = self._book.all(self._examine(), self._deps.today())
        return [one.checked for one in found if one.checked is not None]

    # -- the list --------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        """List the rules."""
        asked = {name: request.query_params.get(name, "") for name in ("q", "kind", "state")}
        rules, removed, customers = await run_in_threadpool(self._listed)
        team = self._deps.team
        latest = [] if team is None else await run_in_threadpool(team.reviews.latest)
        found = [rule for rule in rules if _is_wanted(rule, asked)]
        return self._pages.page(
            "rules.html",
            "Rules",
            _SECTION,
            rules=found,
            total=len(rules),
            removed=removed,
            customers=customers,
            asked=asked,
            kinds=KINDS,
            states=STATES,
            steps={one.rule_id: one for one in latest},
            may_write=may(PERSON.get(), "/rule", "POST"),
            folder=str(self._deps.files),
            store=str(self._deps.store),
        )

    def _listed(self) -> tuple[list[Listed], Sequence[str], int]:
        edited = self._book.all(self._examine(), self._deps.today())
        latest = self._deps.store.latest_run()
        live = {} if latest is None else self._deps.store.rules(latest.ruleset)
        standing = standing_of(edited, live)
        nights = by_day(nights_of(self._deps.store))
        reach: dict[str, tuple[int | None, ...]] = {}
        for rule in {name for night in nights for name in night.rules}:
            counts = [night.rules.get(rule) for night in nights]
            reach[rule] = tuple(None if one is None else one.qualified for one in counts)
        rules = [_listed(one, standing.of, reach) for one in edited]
        customers = nights[0].tally.customers if nights else 0
        return rules, standing.removed, customers

    # -- the editor ------------------------------------------------------------------------------

    async def edit(self, request: Request) -> Response:
        """Show a rule to be edited."""
        name, view = request.query_params.get("name", ""), request.query_params.get("view", "form")
        saved = request.query_params.get("saved", "")

        def read() -> Draft:
            examine = self._examine()
            stored = self._deps.files.read(name)
            edited = self._book.check(stored, examine)
            if view == "file" or edited.document is None:
                text = stored.text.replace("\r\n", "\n")
                return self._drafts.of_file(name, stored.version, text, examine)
            form = form_of(edited.document.value)
            return self._drafts.of_form(name, stored.version, form, examine)

        return self._editor(await run_in_threadpool(read), saved=saved, is_unsaved=False)

    async def submit(self, request: Request) -> Response:
        """Save a rule, try it, or change its form."""
        name = request.query_params.get("name", "")
        fields = await read_form(request, MAX_BYTES, MAX_FIELDS)
        action = field_of(fields, "do") if "do" in fields else "try"
        if action.startswith("test "):
            return await self._with_test(name, fields, action.removeprefix("test "))
        is_change = action not in {"save", "try"}

        def read() -> Draft:
            return self._drafts.read(name, fields, self._examine(), action if is_change else "")

        draft = await run_in_threadpool(read)
        if action == "save":
            return await self._save(draft)
        tried = ""
        if action == "try":
            async with self._trying.waiting:
                tried = await run_in_threadpool(self._trying.text, draft, "")
        return self._editor(draft, tried=tried)

    async def _with_test(
        self, name: str, fields: Mapping[str, Sequence[str]], customer: str
    ) -> Response:
        """Add a test customer to a draft, made from a real one."""
        check_identifier(customer, "customer")

        def make() -> Draft:
            examine = self._examine()
            draft = self._drafts.read(name, fields, examine)
            form = with_test(draft.form, self._trying.test_customer(draft, customer))
            return self._drafts.of_form(name, draft.base, form, examine)._replace(
                reason=draft.reason
            )

        return self._editor(await run_in_threadpool(make))

    async def _save(self, draft: Draft) -> Response:
        def save() -> StoredRule:
            edited = self._drafts.to_save(draft, self._examine())
            return self._book.save(edited, draft.base, PERSON.get(), draft.reason)

        try:
            stored = await run_in_threadpool(save)
        except UserError as error:
            if error.code == "rule.conflict":
                return await run_in_threadpool(self._conflict, draft, error)
            return self._editor(draft, status=422, refusal=error)
        saved = "same" if stored.version == draft.base else "1"
        target = address("/rule", name=draft.name, view=draft.view, saved=saved)
        return RedirectResponse(target, 303)

    def _conflict(self, draft: Draft, error: UserError) -> Response:
        """Show how a draft differs from what somebody else has saved meanwhile."""
        stored = self._drafts.stored(draft.name)
        mine = self._drafts.to_save(draft._replace(base=stored.version if stored else ""), _nothing)
        lines = differences("" if stored is None else stored.text, mine.stored.text)
        title = "Somebody else has saved this rule"
        return self._pages.page(
            "conflict.html",
            title if stored is not None else "This rule was removed",
            _SECTION,
            409,
            draft=draft,
            lines=lines,
            error=error,
            text=mine.stored.text.replace("\r\n", "\n"),
            base="" if stored is None else stored.version,
        )

    def _editor(
        self,
        draft: Draft,
        status: int = 200,
        refusal: UserError | None = None,
        tried: str = "",
        *,
        saved: str = "",
        is_unsaved: bool = True,
    ) -> Response:
        marks: dict[str, list[Any]] = {}
        for mark in draft.marks:
            marks.setdefault(mark.field, []).append(mark)
        return self._pages.page(
            "edit.html",
            draft.title,
            _SECTION,
            status,
            draft=draft,
            form=draft.form,
            marks=marks,
            refusal=refusal,
            saved=saved,
            is_unsaved=is_unsaved,
            tried=tried,
            choices=self._choices,
            kinds=KINDS,
            communications=COMMUNICATIONS,
            may_write=may(PERSON.get(), "/rule", "POST"),
        )

    async def new(self, request: Request) -> Response:
        """Ask what a new rule shall be."""
        del request
        return self._pages.page("new.html", "New rule", _SECTION, kinds=KINDS)

    async def begin(self, request: Request) -> Response:
        """Open the editor for a new rule, which is not saved yet."""
        fields = await read_form(request)
        identifier, kind, title, style = (
            field_of(fields, name).strip() for name in ("id", "kind", "title", "style")
        )
        form = new_form(identifier, kind, title, in_feel=style == "feel")

        def read() -> Draft:
            return self._drafts.of_form(identifier, "", form, self._examine())

        return self._editor(await run_in_threadpool(read))

    # -- what the script asks --------------------------------------------------------------------

    async def check(self, request: Request) -> Response:
        """Return what is found in a draft, as JSON."""
        draft = await self._draft(request)
        return Response(encoded(draft), media_type="application/json")

    async def complete(self, request: Request) -> Response:
        """Return what may stand at the cursor of a FEEL text, as JSON."""
        fields = await read_form(request, MAX_BYTES)
        text = field_of(fields, "text").replace("\r\n", "\n")
        position = field_of(fields, "position")
        if not position.isdecimal() or len(position) > 9:
            raise UserError("request.body", "position: a number is expected")
        values, kind = fields.get("value", []), fields.get("kind", [""])[0]

        def find() -> Mapping[str, Any]:
            place = code_points(text, min(int(position), 2 * len(text)))
            if kind.startswith("words "):
                found = self._choices.line(text, place, kind.removeprefix("words "))
            else:
                found = complete(text, place, self._book.schema, self._choices.words, values)
            options = [option._asdict() for option in found.options]
            return {"start": utf16(text, found.start), "options": options}

        answer = await run_in_threadpool(find)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def preview(self, request: Request) -> Response:
        """Return what a draft would do, as a part of the page."""
        fields = await read_form(request, MAX_BYTES, MAX_FIELDS)
        draft = await run_in_threadpool(self._read, request, fields)
        editor = fields.get("editor", [""])[0][:80]
        async with self._trying.waiting:
            text = await run_in_threadpool(self._trying.text, draft, editor)
        return Response(text, media_type="text/html")

    async def more(self, request: Request) -> Response:
        """Return what takes longer than a preview, as JSON with parts of the page."""
        fields = await read_form(request, MAX_BYTES, MAX_FIELDS)
        draft = await run_in_threadpool(self._read, request, fields)
        customers = [check_identifier(one, "customer") for one in fields.get("example", [])]
        is_cancelled = self._trying.watch(fields.get("editor", [""])[0][:80])
        async with self._trying.waiting:
            found = await run_in_threadpool(self._trying.more, draft, customers, is_cancelled)
        return Response(msgspec.json.encode(found._asdict()), media_type="application/json")

    async def example(self, request: Request) -> Response:
        """Explain a draft for one customer."""
        fields = await read_form(request, MAX_BYTES, MAX_FIELDS)
        draft = await run_in_threadpool(self._read, request, fields)
        customer = field_of(fields, "customer")
        reasons = await run_in_threadpool(self._trying.reasons, draft, customer)
        if wants_part(request):
            text = self._pages.text("reasons.html", reasons=reasons, level=4)
            return Response(text, media_type="text/html")
        return self._pages.page(
            "reason.html",
            f"{customer}: {draft.title}",
            _SECTION,
            reasons=reasons,
            level=2,
            back=None,
            proof=None,
        )

    async def _draft(self, request: Request) -> Draft:
        fields = await read_form(request, MAX_BYTES, MAX_FIELDS)
        return await run_in_threadpool(self._read, request, fields)

    def _read(self, request: Request, fields: Mapping[str, Sequence[str]]) -> Draft:
        return self._drafts.read(request.query_params.get("name", ""), fields, self._examine())

    def _examine(self) -> Examine:
        return examiner_of(self._deps.today(), self._choices.known)


def _listed(
    one: EditedRule, states: Mapping[str, str], reach: Mapping[str, tuple[int | None, ...]]
) -> Listed:
    problems = [*one.errors, *(problem for problem in one.problems if problem.warning)]
    first = problems[0].message if problems else ""
    if one.document is None:
        count = len(problems)
        name = one.stored.name
        return Listed(name, "", name, "", "", "error", False, first, count, ())
    rule = one.document.value
    return Listed(
        one.stored.name,
        rule.id,
        rule.title,
        rule.kind,
        rule.topic or "",
        "error" if one.errors else states.get(rule.id, "new"),
        bool(problems) and not one.errors,
        first,
        len(problems),
        reach.get(rule.id, ()),
    )


def _is_wanted(rule: Listed, asked: Mapping[str, str]) -> bool:
    words = f"{rule.title} {rule.rule_id} {rule.name} {rule.topic}".casefold()
    return (
        all(word in words for word in asked["q"].casefold().split())
        and asked["kind"] in {"", rule.kind}
        and asked["state"] in {"", rule.state, "warning" if rule.has_warning else rule.state}
    )


def _nothing(*_: Any) -> tuple[()]:
    return ()
