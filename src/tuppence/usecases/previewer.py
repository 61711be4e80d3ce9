"""Previews rules before they are published: who qualifies, and what that does to the feeds."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.engine.reference import HISTORY, Problem
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.results.packed import QUALIFIED, UNKNOWN
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.everybody import Advance, Everybody, never, no_advance
from tuppence.usecases.feed_effect import Draft, FeedEffect, feed_effect
from tuppence.usecases.last_night import LastNight, RunStore, read_last_night
from tuppence.usecases.ledger import RunRecord
from tuppence.usecases.run import name_run

BINS: Final = 10
EXAMPLES: Final = 10
NEWCOMERS: Final = 5
HIGHEST_SCORE: Final = 1_000_000
"""The highest score, in ten-thousandths of a point."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The customers who qualify for another rule as well as for the previewed one.

    Attributes:
        rule_id: Identifier of the other rule.
        both: Number of customers who qualify for both.
        other: Number of customers who qualify for the other rule.
    """

    rule_id: str
    both: int
    other: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The customers who qualify beside those who qualify for the live version of the rule.

    Attributes:
        stay: Number of customers who qualify for both versions.
        come: Number of customers who qualify for the previewed version alone.
        go: Number of customers who qualify for the live version alone.
    """

    stay: int
    come: int
    go: int


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why the condition, the score or a value of a rule is unknown.

    Attributes:
        place: The part of the rule: `when`, `score`, or the name of a value.
        code: Code of the problem.
        message: One sentence.
        count: Number of customers.
    """

    place: str
    code: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The customers that a rule finds.

    Attributes:
        qualified: Number of customers who qualify.
        unknown: Number of customers for whom the condition is unknown.
        newcomers: Some customers who qualify, but do not for the first of the rules.
    """

    qualified: int
    unknown: int
    newcomers: tuple[str, ...]


class Difference(StrEnum):
    """A difference between stored results and what a preview evaluates.

    The stored results are as of another day, of other facts or consents, or of a run that has not
    finished.
    """

    DAY = "day"
    FACTS = "facts"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class LiveResults:
    """The results of live rules that a rule is compared with.

    Attributes:
        as_of: The day as of which they are, such as 2026-06-30.
        ruleset: Digest of the live rules.
        differences: Differences between them and results that were evaluated just now.
        without: Number of customers without stored results of these rules, who are not compared.
    """

    as_of: str
    ruleset: str
    differences: tuple[Difference, ...] = ()
    without: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """The expected effect of a rule.

    Attributes:
        customers: Number of customers evaluated.
        qualified: Number of customers who qualify.
        unknown: Number of customers for whom the condition is unknown.
        short_history: Number of those whose history is shorter than the rule requires.
        reasons: Reasons why the condition, the score or a value is unknown, most frequent first.
        scores: Numbers of customers who qualify, by score: below 10, below 20, and so on up to 100.
        without_score: Number of customers who qualify and whose score is null.
        overlaps: The overlap with each live rule.
        examples: Some customers who qualify, spread evenly over all of them.
        columns: True if the rule is evaluated in columns.
        microseconds: Estimated time that the rule takes for a customer, on one core.
        compared: The comparison with the live version; None if no live rule has its identifier.
        effect: The effect on feeds; None without stored results of the live rules.
        live: The results of live rules that it is compared with; None if there are none.
    """

    customers: int
    qualified: int
    unknown: int
    short_history: int
    reasons: tuple[Reason, ...]
    scores: tuple[int, ...]
    without_score: int
    overlaps: tuple[Overlap, ...]
    examples: tuple[str, ...]
    columns: bool
    microseconds: float
    compared: Comparison | None = None
    effect: FeedEffect | None = None
    live: LiveResults | None = None


class Previewer:
    """Previews rules over the same facts, whose columns it keeps in memory.

    Only the previewed rule is evaluated: the results of live rules are those that the last run
    stored. It serves one thread at a time, and shows the store as it was when it was made and at
    its first preview: make another one after a run, an import or an erasure.

    Args:
        store: The store, of which the stored results are read.
        facts: Its facts, as far as they may be read.
        as_of: The date that `today()` gives.
        threads: Number of threads that evaluate.
        budget: Maximum number of bytes of columns that are kept; the rest is read each time. The
            results of the last run come on top: seven bytes for each customer and rule.
    """

    def __init__(
        self,
        store: RunStore,
        facts: PermittedFacts,
        as_of: Date,
        threads: int = 1,
        budget: int = 0,
    ) -> None:
        self._store = store
        self._facts = facts
        self._as_of = as_of
        self._everybody = Everybody(facts, as_of, threads, budget)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the columns that are kept."""
        return self._everybody.nbytes

    def preview(
        self,
        checked: CheckedRule,
        live: Ruleset | None = None,
        advance: Advance = no_advance,
        is_cancelled: Callable[[], bool] = never,
    ) -> Preview:
        """Return the expected effect of a rule.

        Args:
            checked: The rule.
            live: The live rules, which are evaluated unless the stored results are theirs, of this
                day and of these facts; None for those of the last run.
            advance: Called with the number of customers that were evaluated, again and again.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            UserError: It was cancelled (`preview.cancelled`).
        """
        found = self._everybody.evaluate(make_ruleset([checked]), advance, is_cancelled)
        states, scores = found.states[0], found.scores[0]
        qualified = states == QUALIFIED
        others, known, effect, used = self._live(checked.rule, live, states, scores, is_cancelled)
        scored = scores[qualified]
        bins = np.minimum(scored[scored >= 0] // (HIGHEST_SCORE // BINS), BINS - 1)
        overlaps = [
            Overlap(name, int((qualified & other).sum()), int(other.sum()))
            for name, other in others.items()
            if name != checked.rule.id
        ]
        own = others.get(checked.rule.id)
        return Preview(
            len(states),
            len(scored),
            int((states == UNKNOWN).sum()),
            sum(count for problem, count in found.problems.items() if problem.code == HISTORY),
            _reasons(found.problems),
            tuple(np.bincount(bins, minlength=BINS).tolist()),
            int((scored < 0).sum()),
            tuple(sorted(overlaps, key=lambda o: (-o.both, o.rule_id))),
            tuple(
                self._everybody.customers[place]
                for place in _spread(np.flatnonzero(qualified), EXAMPLES)
            ),
            found.in_columns,
            found.microseconds,
            None if own is None else _comparison(qualified[known], own[known]),
            effect,
            used,
        )

    def reach(
        self,
        rules: Sequence[CheckedRule],
        is_cancelled: Callable[[], bool] = never,
    ) -> tuple[Reach, ...]:
        """Return the customers that each of some rules finds; they are evaluated together.

        Args:
            rules: The rules, in the order of their identifiers; there is at least one.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            UserError: It was cancelled (`preview.cancelled`).
        """
        states = self._everybody.evaluate(make_ruleset(rules), is_cancelled=is_cancelled).states
        found = []
        for row in states:
            new = np.flatnonzero((row == QUALIFIED) & (states[0] != QUALIFIED))
            names = tuple(self._everybody.customers[place] for place in _spread(new, NEWCOMERS))
            qualified, unknown = (int((row == state).sum()) for state in (QUALIFIED, UNKNOWN))
            found.append(Reach(qualified, unknown, names))
        return tuple(found)

    def _live(
        self,
        rule: Rule,
        live: Ruleset | None,
        states: Array,
        scores: Array,
        is_cancelled: Callable[[], bool],
    ) -> tuple[Mapping[str, Array], Array, FeedEffect | None, LiveResults | None]:
        """Return who qualifies for each live rule, for whom that is known, and what follows."""
        night = self._night
        if live is not None and (
            night is None or live.digest != night.run.ruleset or self._differences(night.run)
        ):
            found = self._everybody.evaluate(live, is_cancelled=is_cancelled)
            of_rules = zip((one.rule.id for one in live.rules), found.states, strict=True)
            others = {name: row == QUALIFIED for name, row in of_rules}
            used = LiveResults(str(self._as_of), live.digest)
            return others, np.ones(len(states), np.bool_), None, used
        if night is None:
            return {}, np.zeros(len(states), np.bool_), None, None
        others = {
            one.id: night.known & (row == QUALIFIED)
            for one, row in zip(night.rules, night.stored.states, strict=True)
        }
        draft, day = Draft(rule, states, scores), night.run.as_of
        effect = feed_effect(draft, night.rules, night.stored, night.known, day)
        without = len(night.known) - int(night.known.sum())
        used = LiveResults(str(Date(day)), night.run.ruleset, self._differences(night.run), without)
        return others, night.known, effect, used

    @functools.cached_property
    def _night(self) -> LastNight | None:
        return read_last_night(self._store, self._everybody.customers)

    def _differences(self, run: RunRecord) -> tuple[Difference, ...]:
        name = name_run(self._facts.digest, run.ruleset, Date(run.as_of))
        found = {
            Difference.DAY: run.as_of != self._as_of.day,
            Difference.FACTS: run.run_id != name,
            Difference.UNFINISHED: not run.finished,
        }
        return tuple(difference for difference, is_so in found.items() if is_so)


def _comparison(qualified: Array, own: Array) -> Comparison:
    both = int((qualified & own).sum())
    return Comparison(both, int(qualified.sum()) - both, int(own.sum()) - both)


def _reasons(problems: Counter[Problem]) -> tuple[Reason, ...]:
    ordered = sorted(problems.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Reason(one.place, one.code, one.message, count) for one, count in ordered)


def _spread(items: Any, count: int) -> list[Any]:
    """Return at most `count` of the items, evenly spread from beginning to end."""
    places = np.unique(np.linspace(0, max(len(items) - 1, 0), min(count, len(items))).astype(int))
    return [items[place] for place in places.tolist()]
