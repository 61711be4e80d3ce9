"""Previews for people who type: one previewer that stays warm, and the newest text wins."""

import contextlib
import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

import msgspec

from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.rules.thresholds import Threshold, with_threshold
from tuppence.usecases.check_rules import last_booking
from tuppence.usecases.everybody import Advance, never, no_advance
from tuppence.usecases.ledger import RunRecord
from tuppence.usecases.preview_rule import PreviewStore
from tuppence.usecases.previewer import Preview, Previewer, Reach

T = TypeVar("T")

EDITORS: Final = 200
"""Maximum number of editors whose tickets are remembered."""
_State = tuple[str, Date, RunRecord | None]


class Warm(NamedTuple):
    """A previewer with the state of the store that it shows."""

    state: _State
    previewer: Previewer


class PreviewSession:
    """Previews rules over a store, whose columns stay in memory until the store changes.

    Threads may share it: one previews at a time. A preview can be given a ticket of an editor: it
    gives up as soon as the editor has taken another one, for a newer text.

    Args:
        store: The store.
        purposes: Consents for these count, and for no others.
        today: Returns the clock's day, on which consents must hold.
        threads: Number of threads that evaluate.
        budget: Maximum number of bytes of columns that are kept.
    """

    def __init__(
        self,
        store: PreviewStore,
        purposes: frozenset[str],
        today: Callable[[], Date],
        threads: int,
        budget: int,
    ) -> None:
        self._store = store
        self._purposes = purposes
        self._today = today
        self._threads = threads
        self._budget = budget
        self._busy = threading.Lock()
        self._guard = threading.Lock()
        self._tickets: OrderedDict[str, int] = OrderedDict()
        self._warm: Warm | None = None
        self._booked: tuple[str, Date] | None = None  # up to a day, of some facts

    def as_of(self) -> Date:
        """Return the day that rules take for today: that of the last run, or else booking."""
        latest = self._store.latest_run()
        if latest is not None:
            return Date(latest.as_of)
        today = self._today()
        use = Use(self._purposes, today.day, today.day)

        def read(facts: PermittedFacts) -> tuple[str, Date]:
            booked, state = self._booked, f"{facts.digest} {today}"
            if booked is not None and booked[0] == state:
                return booked
            return state, last_booking(facts, today)

        self._booked = self._store.read_permitted(use, read)
        return self._booked[1]

    def warm(self, rules: Callable[[], Sequence[CheckedRule]]) -> None:
        """Preview one of some rules, so that later previews need not compile the engine.

        Args:
            rules: Returns the rules.
        """
        with contextlib.suppress(UserError):  # whoever previews a rule will be told
            for checked in rules()[:1]:
                self.preview(checked)

    def forget(self) -> None:
        """Forget the facts that are kept in memory, after somebody was erased."""
        with self._busy:
            self._warm = None

    def ticket(self, editor: str) -> Callable[[], bool]:
        """Return a function that tells whether an editor has a newer text by now.

        Args:
            editor: Name of the editor; its earlier tickets end.
        """
        with self._guard:
            number = self._tickets.pop(editor, 0) + 1
            self._tickets[editor] = number
            while len(self._tickets) > EDITORS:
                self._tickets.popitem(last=False)
        return lambda: self._tickets.get(editor, number) != number

    def watch(self, editor: str) -> Callable[[], bool]:
        """Return a function that tells whether an editor has taken another ticket since."""
        number = self._tickets.get(editor)
        return lambda: self._tickets.get(editor) != number

    def preview(
        self,
        checked: CheckedRule,
        is_cancelled: Callable[[], bool] = never,
        advance: Advance = no_advance,
    ) -> tuple[Preview, Date]:
        """Return the expected effect of a rule, with the as-of date.

        Args:
            checked: The rule.
            is_cancelled: Asked again and again whether to give up, such as a ticket.
            advance: Called with the number of customers that were evaluated, again and again.

        Raises:
            UserError: It was cancelled (`preview.cancelled`).
        """

        def preview(previewer: Previewer) -> Preview:
            return previewer.preview(checked, None, advance, is_cancelled)

        return self._with_previewer(preview, is_cancelled)

    def reach(
        self,
        checked: CheckedRule,
        wanted: Sequence[Threshold],
        is_cancelled: Callable[[], bool] = never,
    ) -> list[Mapping[Decimal, Reach]]:
        """Return whom a rule would find with other numbers in place of its thresholds.

        Args:
            checked: The rule.
            wanted: Some of its thresholds; each is varied by itself.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            UserError: It was cancelled (`preview.cancelled`).
        """
        varied = [with_threshold(checked, threshold) for threshold in wanted]
        rules = [
            dataclasses.replace(rule, rule=msgspec.structs.replace(rule.rule, id=f"t{number:04}"))
            for number, rule in enumerate([checked, *(r for one in varied for r in one.values())])
        ]
        if not varied:
            return []
        found, _ = self._with_previewer(
            lambda previewer: previewer.reach(rules, is_cancelled), is_cancelled
        )
        counts = iter(found[1:])
        return [{number: next(counts) for number in one} for one in varied]

    def _with_previewer(
        self, ask: Callable[[Previewer], T], is_cancelled: Callable[[], bool]
    ) -> tuple[T, Date]:
        with self._busy:
            if is_cancelled():  # while it waited for another one
                raise UserError("preview.cancelled", "the preview was cancelled")
            day = self.as_of()

            def read(facts: PermittedFacts) -> T:
                state = (facts.digest, day, self._store.latest_run())
                if self._warm is None or self._warm.state != state:
                    self._warm = None  # the columns of the state before make room first
                    previewer = Previewer(self._store, facts, day, self._threads, self._budget)
                    self._warm = Warm(state, previewer)
                return ask(self._warm.previewer)

            use = Use(self._purposes, self._today().day, day.day)
            return self._store.read_permitted(use, read), day
