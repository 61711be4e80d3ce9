"""Previews a rule before it is published: who qualifies, and for which other rules too."""

import concurrent.futures
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.columnar import Engine
from tuppence.engine.reference import HISTORY, Problem
from tuppence.facts.source import FactSource, partition_ranges
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.packed import QUALIFIED, UNKNOWN
from tuppence.rules.checking import CheckedRule
from tuppence.rules.ruleset import Ruleset, make_ruleset

BINS: Final = 10
EXAMPLES: Final = 10
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
class Preview:
    """The expected effect of a rule.

    Attributes:
        customers: Number of customers evaluated.
        qualified: Number of customers who qualify.
        unknown: Number of customers for whom the condition is unknown.
        short_history: Number of those whose history is shorter than the rule requires.
        scores: Numbers of customers who qualify, by score: below 10, below 20, and so on up to 100.
        without_score: Number of customers who qualify and whose score is null.
        overlaps: The overlap with each published rule.
        examples: Some customers who qualify, spread evenly over all of them.
        columns: True if the rule is evaluated in columns.
    """

    customers: int
    qualified: int
    unknown: int
    short_history: int
    scores: tuple[int, ...]
    without_score: int
    overlaps: tuple[Overlap, ...]
    examples: tuple[str, ...]
    columns: bool


class _Part(NamedTuple):
    customer_ids: tuple[str, ...]
    states: Array
    scores: Array
    short_history: int


class Previewer:
    """Previews rules over the same facts; the published rules are evaluated once.

    Args:
        facts: The facts of all customers.
        live: The published rules; None if there are none.
        as_of: The date that `today()` gives.
        threads: Number of partitions evaluated at a time.
        left_out: Customers who are not evaluated, for lack of consent.
    """

    def __init__(
        self,
        facts: FactSource,
        live: Ruleset | None,
        as_of: Date,
        threads: int = 1,
        left_out: Collection[str] = (),
    ) -> None:
        self._facts = facts
        self._partition_ranges = list(partition_ranges(facts, left_out))
        self._as_of = as_of
        self._threads = threads
        parts = [] if live is None else self._evaluated(live)[0]
        self._live = {
            checked.rule.id: [part.states[rule] == QUALIFIED for part in parts]
            for rule, checked in enumerate(live.rules if live else ())
        }

    def preview(self, checked: CheckedRule) -> Preview:
        """Return the expected effect of a rule."""
        parts, in_columns = self._evaluated(make_ruleset([checked]))
        qualified = [part.states[0] == QUALIFIED for part in parts]
        scores = (part.scores[0][passing] for part, passing in zip(parts, qualified, strict=True))
        found = np.concatenate([np.zeros(0, np.int32), *scores])  # if there are no customers
        bins = np.minimum(found[found >= 0] // (HIGHEST_SCORE // BINS), BINS - 1)
        ids = [
            part.customer_ids[i]
            for part, passing in zip(parts, qualified, strict=True)
            for i in _spread(np.flatnonzero(passing), EXAMPLES)
        ]
        overlaps = [
            Overlap(
                rule_id,
                sum(int((a & b).sum()) for a, b in zip(qualified, others, strict=True)),
                sum(int(other.sum()) for other in others),
            )
            for rule_id, others in self._live.items()
            if rule_id != checked.rule.id
        ]
        return Preview(
            sum(len(part.customer_ids) for part in parts),
            len(found),
            sum(int((part.states[0] == UNKNOWN).sum()) for part in parts),
            sum(part.short_history for part in parts),
            tuple(np.bincount(bins, minlength=BINS).tolist()),
            int((found < 0).sum()),
            tuple(sorted(overlaps, key=lambda o: (-o.both, o.rule_id))),
            tuple(_spread(ids, EXAMPLES)),
            in_columns,
        )

    def _evaluated(self, ruleset: Ruleset) -> tuple[list[_Part], bool]:
        """Evaluate rules by partition; return the parts, and whether all rules fit columns."""
        engine = Engine(make_plan(ruleset, self._as_of, self._facts.schema))
        fields = engine.plan.transaction_fields

        def evaluated(partition_range: tuple[str, int, int]) -> _Part:
            partition, first, last = partition_range
            batch = self._facts.read(partition, fields).slice(first, last)
            problems = Counter[Problem]()
            grid = engine.grid(batch, problems)
            short = sum(n for problem, n in problems.items() if problem.code == HISTORY)
            return _Part(batch.customer_ids, grid.states, grid.scores, short)

        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            parts = list(pool.map(evaluated, self._partition_ranges))
        return parts, fields is not None


def _spread(items: Any, count: int) -> list[Any]:
    """Return at most `count` of the items, evenly spread from beginning to end."""
    places = np.unique(np.linspace(0, max(len(items) - 1, 0), min(count, len(items))).astype(int))
    return [items[place] for place in places.tolist()]
