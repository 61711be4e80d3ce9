"""The pages on which versions of rules are compared, discussed, approved and taken back."""

import datetime
from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.rules.checking import CheckedRule
from tuppence.services.console.changes import changes
from tuppence.services.console.page import PERSON, ConsoleDependencies, Pages, Team, address
from tuppence.services.console.permissions import may_step
from tuppence.services.console.trying import Trying, in_force_always
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.edit_rules import RuleBook
from tuppence.usecases.previewer import Preview
from tuppence.usecases.reviews import (
    Done,
    Remark,
    Reviewed,
    Seen,
    Step,
    Stored,
    find_newest,
)
from tuppence.usecases.team import Person

MAX_TEXT: Final = 4_000
"""Maximum number of characters of a comment or a reason."""
MAX_LISTED: Final = 200
"""Maximum number of entries of the audit that are listed on a page."""
STATES: Final = {
    "draft": "draft",
    "in_review": "in review",
    "approved": "approved",
    "retired": "retired",
}
EFFECTS: Final = {"active": "in force", "scheduled": "not in force yet", "expired": "expired"}
_SECTION: Final = "Reviews"
_REVIEWED: Final = "has reviewed"


class Waiting(NamedTuple):
    """A version that waits for people to agree.

    Attributes:
        stored: The version.
        title: Title of the rule.
        is_new: Whether no version of the rule was approved before.
        agreed: Number of people who agree so far.
        refusal: The reason why whoever asks may not approve it, or empty.
    """

    stored: Stored
    title: str
    is_new: bool
    agreed: int
    refusal: str


class ReviewsPages:
    """The pages of versions and reviews.

    Args:
        deps: The ports of the console.
        team: The ports of the team.
        pages: Renders the templates.
        book: The rules.
        trying: Tries rules.
    """

    def __init__(
        self, deps: ConsoleDependencies, team: Team, pages: Pages, book: RuleBook, trying: Trying
    ) -> None:
        self._deps = deps
        self._reviews = team.reviews
        self._policy = team.policy
        self._pages = pages
        self._book = book
        self._trying = trying

    # -- reviews ---------------------------------------------------------------------------------

    async def home(self, request: Request) -> Response:
        """List what is in review."""
        del request

        def read() -> tuple[list[Waiting], list[Stored]]:
            latest = self._reviews.latest()
            waiting = [self._waiting(one) for one in latest if one.state == "in_review"]
            return waiting, [one for one in latest if one.state == "draft"]

        waiting, drafts = await run_in_threadpool(read)
        return self._pages.page("reviews.html", "Reviews", _SECTION, waiting=waiting, drafts=drafts)

    def _waiting(self, stored: Stored) -> Waiting:
        remarks = _of_version(self._reviews.remarks(stored.rule_id), stored.version)
        agreed = [one for one in remarks if one.approves]
        title = stored.definition.title
        refusal = _refusal(PERSON.get(), stored, agreed)
        return Waiting(stored, title, stored.version_in_force is None, len(agreed), refusal)

    async def review(self, request: Request) -> Response:
        """Show a version that waits for approval, with all that a reviewer needs."""
        rule_id = check_identifier(request.query_params.get("rule", ""), "rule")
        async with self._trying.waiting:
            return await run_in_threadpool(self._review, rule_id)

    def _review(
        self, rule_id: str, status: int = 200, refusal: UserError | None = None, text: str = ""
    ) -> Response:
        stored = find_newest(self._reviews, rule_id)
        waiting = self._waiting(stored)
        force = stored.version_in_force
        before = None if force is None else self._reviews.document(rule_id, force)
        book = self._book.check(self._deps.files.read(rule_id), lambda *_: ())
        person = PERSON.get()
        checked = book.checked
        effect, needed = "", 1
        if checked is not None:
            effect, found = self._trying.effect(checked, with_people=may_step(person, "return"))
            needed = self._needed(checked, found)
        return self._pages.page(
            "review.html",
            stored.definition.title,
            _SECTION,
            status,
            waiting=waiting,
            stored=stored,
            digest=stored.reviewed.digest,
            rule=stored.definition,
            changes=changes(before, stored.definition, self._book.schema),
            before=before,
            problems=book.errors,
            effect=effect,
            needed=needed,
            remarks=self._reviews.remarks(rule_id),
            states=STATES,
            file=book.stored.text,
            may={step: may_step(person, step) for step in ("approve", "return", "comment")},
            refusal=refusal,
            text=text,
        )

    def _needed(self, checked: CheckedRule, found: Preview) -> int:
        """Return how many people must agree with a rule that has an effect."""
        return self._policy.approvers_of(
            found.qualified, found.customers, checked.rule.communication
        )

    async def answer(self, request: Request) -> Response:
        """Approve a version, send it back, or comment on it."""
        rule_id = check_identifier(request.query_params.get("rule", ""), "rule")
        fields = await read_form(request)
        step, text = field_of(fields, "do"), field_of(fields, "text").strip()
        version, digest = _number(field_of(fields, "version")), field_of(fields, "digest")[:64]
        reference = fields.get("reference", [""])[0].strip()

        person = PERSON.get()
        _allow(person, step, "approve", "return", "comment")

        def act() -> Response:
            try:
                said = _said(text, _REVIEWED if step == "approve" else "")
                if step == "comment":
                    self._reviews.comment(person, rule_id, version, said)
                elif step == "return":
                    self._reviews.step(person, rule_id, version, "draft", said)
                else:
                    reviewed = Reviewed(rule_id, version, digest)
                    self._approve(person, reviewed, said, reference)
            except UserError as error:
                return self._review(rule_id, 422, error, text)
            return RedirectResponse(address("/review", rule=rule_id), 303)

        async with self._trying.waiting:
            return await run_in_threadpool(act)

    def _approve(self, person: Person, reviewed: Reviewed, text: str, reference: str) -> None:
        stored = find_newest(self._reviews, reviewed.rule_id)
        checked = self._book.check(self._deps.files.read(reviewed.rule_id), lambda *_: ()).checked
        if stored.reviewed != reviewed or checked is None:
            message = "it has changed since you opened this page, or has an error"
            raise UserError("definition.conflict", message, "read it again below")
        approval = checked.rule.approval
        if checked.rule.promotes and (approval is None or approval.reference != reference):
            message = "the reference is not that of the approval in the rule"
            raise UserError("review.promotion", message, "look it up in the record of the firm")
        needed = 1
        if self._policy.approvers:
            needed = self._needed(checked, self._trying.counted(in_force_always(checked)))
        self._reviews.approve(person, reviewed, needed, text)

    # -- versions --------------------------------------------------------------------------------

    async def versions(self, request: Request) -> Response:
        """Show all versions of a rule, and in which parts one of them differs."""
        rule_id = check_identifier(request.query_params.get("name", ""), "rule")
        asked = request.query_params.get("version", "")
        chosen = _number(asked) if asked else None
        return await run_in_threadpool(self._versions, rule_id, chosen)

    def _versions(
        self, rule_id: str, chosen: int | None, status: int = 200, refusal: UserError | None = None
    ) -> Response:
        stored = find_newest(self._reviews, rule_id)
        history = self._reviews.history(rule_id)
        found, earlier = None, None
        if chosen is not None:
            if chosen not in {one.version for one in history}:
                message = f"{rule_id} has no version {chosen}"
                raise UserError("definition.unknown", message, "choose one of the list")
            earlier = _different(history, chosen)
            before = None if earlier is None else self._reviews.document(rule_id, earlier)
            after = self._reviews.document(rule_id, chosen)
            found = changes(before, after, self._book.schema)
        person = PERSON.get()
        day = datetime.date.fromisoformat(str(self._deps.today()))
        return self._pages.page(
            "versions.html",
            stored.definition.title,
            "Rules",
            status,
            stored=stored,
            effect=EFFECTS.get(stored.status(day), "never in force"),
            history=history[::-1],
            states=STATES,
            chosen=chosen,
            earlier=earlier,
            changes=found,
            may={step: may_step(person, step) for step in ("submit", "retire", "restore")},
            refusal=refusal,
        )

    async def step(self, request: Request) -> Response:
        """Send a draft for review, retire a rule, or restore an earlier version."""
        rule_id = check_identifier(request.query_params.get("name", ""), "rule")
        fields = await read_form(request)
        do, text = field_of(fields, "do"), field_of(fields, "text").strip()
        step, _, which = do.partition(" ")
        base = _number(field_of(fields, "base"))

        person = PERSON.get()
        _allow(person, step, "submit", "retire", "restore")

        def act() -> Response:
            try:
                said = _said(text)
                if step == "restore":
                    self._reviews.restore(person, rule_id, base, _number(which), said)
                else:
                    state = "in_review" if step == "submit" else "retired"
                    self._reviews.step(person, rule_id, base, state, said)
            except UserError as error:
                return self._versions(rule_id, None, 422, error)
            return RedirectResponse(address("/versions", name=rule_id), 303)

        return await run_in_threadpool(act)

    # -- audit -----------------------------------------------------------------------------------

    async def audit(self, request: Request) -> Response:
        """Show who did what, and who has seen whose data, a page of each at a time."""
        skipped = {name: _number(request.query_params.get(name, "0")) for name in ("done", "reads")}

        def read() -> tuple[Sequence[Done], Sequence[Seen]]:
            reviews = self._reviews
            return (
                reviews.audit(MAX_LISTED + 1, skipped["done"]),
                reviews.reads(MAX_LISTED + 1, skipped["reads"]),
            )

        done, reads = await run_in_threadpool(read)
        return self._pages.page(
            "audit.html", "Audit", "Audit", done=done, reads=reads, skipped=skipped, most=MAX_LISTED
        )


def _of_version(remarks: Sequence[Remark], version: int) -> list[Remark]:
    return [one for one in remarks if one.version == version]


def _refusal(person: Person, stored: Stored, agreed: Sequence[Remark]) -> str:
    """Return why somebody may not approve a version, or an empty text; the database decides."""
    if stored.state != "in_review":
        return f"it is {STATES[stored.state]}, not in review"
    if not may_step(person, "approve"):
        return "it takes a reviewer"
    if person.subject in stored.editors:
        return "you have changed it since it was last approved, so somebody else must approve it"
    if any((one.issuer, one.subject) == (person.issuer, person.subject) for one in agreed):
        return "you have approved it already; others must, too"
    return ""


def _different(history: Sequence[Step], chosen: int) -> int | None:
    """Return the newest version before a version whose document is another one."""
    digests = {one.version: one.digest for one in history}
    for version in range(chosen - 1, 0, -1):
        if digests[version] != digests.get(chosen):
            return version
    return None


def _allow(person: Person, step: str, *steps: str) -> None:
    if step not in steps:
        raise UserError("request.body", f"{step[:80]!a} is no step of this page")
    if not may_step(person, step):
        raise UserError("access.forbidden", "your roles do not include this step")


def _said(text: str, default: str = "") -> str:
    if not text and not default:
        raise UserError("review.reason", "nothing is said", "write a reason: it is recorded")
    if len(text) > MAX_TEXT:
        message = f"the text has more than {MAX_TEXT:,} characters"
        raise UserError("review.reason", message, "make it shorter")
    return text or default


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise UserError("request.body", "a number of a version is expected")
    return int(text)
