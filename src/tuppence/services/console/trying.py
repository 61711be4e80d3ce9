"""Tries drafts: what they would do to everybody, and why for one customer."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tuppence.engine.explanation import document
from tuppence.engine.rule_tests import Verdict, try_examples
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.results.result import State
from tuppence.rules.checking import CheckedRule
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.rules.readability import reading_age
from tuppence.rules.thresholds import thresholds
from tuppence.services.console.drafts import Draft
from tuppence.services.console.marking import utf16
from tuppence.services.console.page import PERSON, ConsoleDependencies, Pages
from tuppence.services.console.permissions import may
from tuppence.services.console.reasons import Reasons
from tuppence.usecases.explain_result import ExplainedResult, explain_draft
from tuppence.usecases.make_test_customer import make_test_customer
from tuppence.usecases.preview_session import PreviewSession
from tuppence.usecases.preview_words import MAX_NAMED, effect_sentences, live_sentences
from tuppence.usecases.previewer import BINS, Preview

MESSAGES: Final = 3
"""Number of customers for whom the message is written."""
MAX_PREVIEWS: Final = 2
"""Maximum number of previews at a time."""
MAX_CURVES: Final = 3
"""Maximum number of thresholds of a rule that are varied."""
MAX_ROWS: Final = 30
"""Maximum number of transactions that are shown of each selection."""
COLUMNS: Final = ("booking date", "amount", "category", "merchant", "text")
LOCALE: Final = "en_GB"
NIGHTS_A_MONTH: Final = 365 / 12
CENT: Final = 0.01


class Written(NamedTuple):
    """A message as a customer reads it.

    Attributes:
        customer: The customer; empty for a test customer.
        message: The message; None if it cannot be written.
        problem: The reason why not, or empty.
        age: Age from which people can read it; None if that cannot be told.
    """

    customer: str
    message: Rendered | None
    problem: str
    age: int | None = None


class Curve(NamedTuple):
    """The reach of a rule by the number that stands in place of a threshold.

    Attributes:
        clause: The comparison, as it is written.
        now: The threshold.
        points: Each number with the customers who qualify.
        nearest: The number that reaches the fewest more customers; empty if none does.
        misses: Some customers whom it reaches and the threshold does not.
        place: First and last offset of the number in the condition, in UTF-16 units; None if the
            author does not see its text.
    """

    clause: str
    now: str
    points: tuple[tuple[str, int], ...]
    nearest: str
    misses: tuple[str, ...]
    place: tuple[int, int] | None


class More(NamedTuple):
    """Parts of a page that follow a preview.

    Attributes:
        written: Messages that some customers read.
        curves: The reach with other thresholds.
    """

    written: str
    curves: str


class Trying:
    """Tries drafts over a store.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
        session: Previews rules.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages, session: PreviewSession) -> None:
        self._deps = deps
        self._pages = pages
        self._session = session
        self._named = Reasons(deps.feeds.clock)
        self.waiting = asyncio.Semaphore(MAX_PREVIEWS)
        """Previews share the processor one after another; further ones wait without a thread."""

    def text(self, draft: Draft, editor: str) -> str:
        """Return what a draft would do, as a part of a page; some see people in it.

        Args:
            draft: The draft.
            editor: Name of the editor, whose newest preview wins, and which asks for more
                afterwards; empty for a page without a script.

        Raises:
            UserError: `preview.cancelled`: a newer preview of the editor has begun.
        """
        checked = draft.checked
        if checked is None:
            return self._pages.text("preview.html", found=None, errors=draft.errors)
        is_cancelled = self._session.ticket(editor) if editor else lambda: False
        found, as_of = self._session.preview(checked, is_cancelled)
        with_people = may(PERSON.get(), "/more", "POST")
        return self._shown(draft, checked, found, as_of, with_people, with_more=not editor)

    def _shown(
        self,
        draft: Draft,
        checked: CheckedRule,
        found: Preview,
        as_of: Date,
        with_people: bool,
        *,
        with_more: bool = True,
    ) -> str:
        more = More("", "")
        if not with_people:
            found = dataclasses.replace(found, examples=())
        else:
            self._name("example of a rule", found.examples)
            if with_more:
                more = self.more(draft, found.examples)
        return self._pages.text(
            "preview.html",
            found=found,
            as_of=str(as_of),
            rule=checked.rule,
            name=draft.name,
            may_test=draft.view == "form",
            bars=_bars(found),
            cost=cost_sentence(found.microseconds, found.customers, self._deps.hour),
            bins=BINS,
            live=list(live_sentences(found.live)) if found.live else [],
            effect=list(effect_sentences(found.effect, found.qualified)) if found.effect else [],
            overlaps=[one for one in found.overlaps if one.both][:MAX_NAMED],
            more=more,
            verdicts=self._verdicts(checked),
        )

    def effect(self, checked: CheckedRule, *, with_people: bool) -> tuple[str, Preview]:
        """Return what a version of a rule would do, as a part of a page and as figures.

        It counts as if it were in force, so that nobody can hide its effect behind a date.

        Args:
            checked: The rule.
            with_people: Whether customers are named and messages are shown that they would read.
        """
        checked = in_force_always(checked)
        found, as_of = self._session.preview(checked)
        rule_id = checked.rule.id
        draft = Draft(rule_id, "", "file", {}, "", (), checked, checked.rule.title)
        return self._shown(draft, checked, found, as_of, with_people), found

    def _name(self, what: str, customers: Iterable[str]) -> None:
        """Record that customers are about to be named to whoever asks, each once in a while."""
        person = PERSON.get()
        new = [one for one in customers if self._named.of(person, one) is None]
        if new:
            self._deps.note_read(what, new)
        for one in customers:
            self._named.keep(person, one, what)

    def _require_named(self, customers: Iterable[str]) -> None:
        """Refuse customers whom no preview has named, in the console of a team.

        Raises:
            UserError: `preview.unnamed`: one of them was not named to whoever asks.
        """
        for one in customers if self._deps.team is not None else ():
            if self._named.of(PERSON.get(), one) is None:
                message = f"no preview has named {one[:200]!a} to you in the last half an hour"
                hint = "preview the rule, and choose one of the customers that it names"
                raise UserError("preview.unnamed", message, hint)

    def counted(self, checked: CheckedRule) -> Preview:
        """Return the expected effect of a rule."""
        return self._session.preview(checked)[0]

    def watch(self, editor: str) -> Callable[[], bool]:
        """Return a function that tells whether an editor has begun a newer preview since."""
        return self._session.watch(editor)

    def more(
        self,
        draft: Draft,
        customers: Sequence[str],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> More:
        """Return what takes longer than a preview, as parts of a page.

        Args:
            draft: The draft.
            customers: Some customers who qualify.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            UserError: It was cancelled (`preview.cancelled`), or as from `_require_named`.
        """
        checked = draft.checked
        if checked is None:
            return More("", "")
        self._require_named(customers)
        self._deps.note_read("messages of a rule", customers[:MESSAGES])
        explained = [self._explained(checked, one) for one in customers[:MESSAGES]]
        written = list(self._written(checked, explained))
        return More(
            self._pages.text("written.html", written=written, kind=checked.rule.kind),
            self._pages.text(
                "curves.html", curves=self._curves(draft, checked, is_cancelled), name=draft.name
            ),
        )

    def reasons(self, draft: Draft, customer: str) -> Mapping[str, Any]:
        """Return the explanation of a draft for a customer, as a document.

        Raises:
            UserError: The draft has an error, or there is no such customer.
        """
        if draft.checked is None:
            raise UserError("rule.invalid", "the rule has an error", "correct what is marked first")
        self._require_named([customer])
        self._deps.note_read("reasons of a rule", [customer])
        return shown_reasons(self._explained(draft.checked, customer))

    def test_customer(self, draft: Draft, customer: str) -> Mapping[str, Any]:
        """Return a test customer for a draft, made from a real one.

        Raises:
            UserError: The draft has an error or is a file, there is no such customer, or no test
                without personal details has their result.
        """
        if draft.checked is None:
            raise UserError("rule.invalid", "the rule has an error", "correct what is marked first")
        if draft.view == "file":
            raise UserError("rule.view", "tests are added in the form", "open the view Form")
        self._require_named([customer])
        deps = self._deps
        deps.note_read("test customer of a rule", [customer])
        day = self._session.as_of()
        given = (customer, draft.checked, day, deps.purposes, deps.today())
        return make_test_customer(deps.store, *given)

    def _explained(self, checked: CheckedRule, customer: str) -> ExplainedResult:
        deps = self._deps
        day = self._session.as_of()
        return explain_draft(deps.store, customer, checked, day, deps.purposes, deps.today())

    def _written(
        self, checked: CheckedRule, explained: Iterable[ExplainedResult]
    ) -> Iterable[Written]:
        for one in explained:
            result = one.explanation.result
            if result.state is not State.QUALIFIED:
                continue
            currency = self._deps.store.currency_of(one.customer)
            try:
                message = render(checked.rule, result.values, currency, LOCALE)
            except MessageError as error:
                yield Written(one.customer, None, error.message)
            else:
                age = reading_age(f"{message.title}. {message.body}")
                yield Written(one.customer, message, "", age)

    def _verdicts(self, checked: CheckedRule) -> list[Verdict]:
        try:
            return try_examples(checked, self._deps.store.schema)
        except UserError as error:
            return [Verdict(checked.rule.id, "the test customers", (error.message,))]

    def _curves(
        self, draft: Draft, checked: CheckedRule, is_cancelled: Callable[[], bool]
    ) -> list[Curve]:
        text = checked.rule.when
        is_seen = draft.view == "form" and draft.form.get("when") == text
        wanted = thresholds(checked)[:MAX_CURVES]
        found = []
        reached = self._session.reach(checked, wanted, is_cancelled)
        for threshold, reach in zip(wanted, reached, strict=True):
            points = tuple((f"{number:f}", one.qualified) for number, one in reach.items())
            clause = " ".join(text[slice(*threshold.clause)].split())
            more = [(one.qualified, number) for number, one in reach.items() if one.newcomers]
            nearest = min(more)[1] if more else None
            misses = () if nearest is None else reach[nearest].newcomers
            self._name("nearest miss of a rule", misses)
            written = "" if nearest is None else f"{nearest:f}"
            start, end = (utf16(text, offset) for offset in threshold.span)
            place = (start, end) if is_seen else None
            found.append(Curve(clause, f"{threshold.value:f}", points, written, misses, place))
        return found


def in_force_always(checked: CheckedRule) -> CheckedRule:
    """Return a rule without the first and last days of it and of its approval."""
    rule = msgspec.structs.replace(checked.rule, valid_from=None, valid_until=None)
    if rule.approval is not None:
        always = msgspec.structs.replace(rule.approval, date="0001-01-01", until=None)
        rule = msgspec.structs.replace(rule, approval=always)
    return dataclasses.replace(checked, rule=rule)


def cost_sentence(microseconds: float, customers: int, hour: float) -> str:
    """Return what a rule costs, in a sentence.

    Args:
        microseconds: Estimated time of a processor for a customer.
        customers: Number of customers, who are evaluated every night.
        hour: Price of an hour of a processor, in US dollars.
    """
    month = microseconds * customers * NIGHTS_A_MONTH / 3.6e9 * hour
    return f"It takes about {microseconds:.3g} µs a customer, which costs {money(month)} a month."


def money(usd: float) -> str:
    """Return an amount of US dollars in words."""
    return f"${usd:,.2f}" if usd >= CENT else "less than a cent"


def _bars(found: Preview) -> list[tuple[str, int]]:
    others = found.customers - found.qualified - found.unknown
    return [("qualify", found.qualified), ("do not", others), ("unknown", found.unknown)]


def shown_reasons(explained: ExplainedResult) -> Mapping[str, Any]:
    """Return an explanation for a page, with the last rows of each selection."""
    whole = document(explained.customer, explained.as_of, explained.explanation)
    selections = [
        {
            "text": one["text"],
            "count": len(one["rows"]),
            "rows": [[row.get(name) or "" for name in COLUMNS] for row in one["rows"]][-MAX_ROWS:],
        }
        for one in whole["selections"]
    ]
    rule = explained.checked.rule
    return {**whole, "selections": selections, "title": rule.title, "when": rule.when.rstrip()}
