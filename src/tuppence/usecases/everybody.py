"""Evaluates rules for all customers of a store at once, and keeps nothing but their states."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.engine.columnar import Engine
from tuppence.engine.reference import Problem
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.source import partition_ranges
from tuppence.feel.values import Date
from tuppence.plan.description import cost
from tuppence.plan.plan import make_plan
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.kept_facts import KeptFacts

CUSTOMERS_AT_A_TIME: Final = 5_000
"""Number of customers whose facts one thread evaluates before it asks whether to go on."""

Array = npt.NDArray[Any]
Advance = Callable[[int], None]


def no_advance(_: int) -> None:
    """Take no notice of progress."""


def never() -> bool:
    """Return that nobody has cancelled."""
    return False


class Evaluated(NamedTuple):
    """The results of rules for everybody.

    Attributes:
        states: NOT_QUALIFIED, QUALIFIED or UNKNOWN, by rule and then by customer.
        scores: Scores in ten-thousandths, by rule and then by customer; -1 for null.
        problems: Reasons why parts are null, with the number of customers.
        in_columns: Whether all rules are evaluated in columns.
        microseconds: Estimated time of all rules for a customer on one core; see `cost`.
    """

    states: Array
    scores: Array
    problems: Counter[Problem]
    in_columns: bool
    microseconds: float


class _Part(NamedTuple):
    states: Array
    scores: Array
    problems: Counter[Problem]


class Everybody:
    """All customers of a store who may be evaluated, as of one day.

    It serves one thread at a time.

    Args:
        facts: The facts, as far as they may be read.
        as_of: The date that `today()` gives.
        threads: Number of threads that evaluate.
        budget: Maximum number of bytes of columns that are kept; the rest is read each time.
    """

    def __init__(
        self, facts: PermittedFacts, as_of: Date, threads: int = 1, budget: int = 0
    ) -> None:
        self.facts = facts
        self.as_of = as_of
        self._kept = KeptFacts(facts, budget)
        self._threads = threads
        self._ranges = _by_partition(facts)
        self.customers: tuple[str, ...] = ()
        """Their names, in the order of all results; known after the first evaluation."""

    @property
    def nbytes(self) -> int:
        """The number of bytes of the columns that are kept."""
        return self._kept.nbytes

    @property
    def count(self) -> int:
        """The number of customers."""
        ranges = (one for found in self._ranges.values() for one in found)
        return sum(last - first for first, last in ranges)

    def evaluate(
        self,
        ruleset: Ruleset,
        advance: Advance = no_advance,
        is_cancelled: Callable[[], bool] = never,
    ) -> Evaluated:
        """Evaluate rules for all customers, reading a partition while another is evaluated.

        Args:
            ruleset: The rules.
            advance: Called with the number of customers that were evaluated, again and again.
            is_cancelled: Asked again and again whether to give up.

        Raises:
            UserError: It was cancelled (`preview.cancelled`).
        """
        engine = Engine(make_plan(ruleset, self.as_of, self.facts.schema))
        fields, columns = engine.plan.transaction_fields, engine.plan.columns

        def evaluate(batch: FactBatch) -> _Part:
            if is_cancelled():
                raise UserError("preview.cancelled", "the preview was cancelled")
            problems = Counter[Problem]()
            grid = engine.grid(batch, problems)
            return _Part(grid.states, grid.scores, problems)

        rules = len(ruleset.rules)
        empty = np.zeros((rules, 0), np.uint8), np.zeros((rules, 0), np.int32)
        parts = [_Part(*empty, Counter())]
        customers: list[str] = []
        with (
            ThreadPoolExecutor(1) as reader,
            ThreadPoolExecutor(self._threads) as evaluators,
        ):
            names = list(self._ranges)
            pending = reader.submit(self._kept.read, names[0], fields) if names else None
            for place, name in enumerate(names):
                assert pending is not None  # noqa: S101 - there is one for each name
                batch = pending.result()
                if place + 1 < len(names):
                    pending = reader.submit(self._kept.read, names[place + 1], fields)
                slices = [batch.slice(first, last) for first, last in self._ranges[name]]
                for one, part in zip(slices, evaluators.map(evaluate, slices), strict=True):
                    parts.append(part)
                    advance(len(one))
                    if not self.customers:
                        customers += one.customer_ids
        self.customers = self.customers or tuple(customers)
        return Evaluated(
            np.concatenate([part.states for part in parts], axis=1),
            np.concatenate([part.scores for part in parts], axis=1),
            sum((part.problems for part in parts), Counter()),
            fields is not None,
            sum(cost(columns, rule) for rule in columns.rules),
        )


def _by_partition(facts: PermittedFacts) -> dict[str, list[tuple[int, int]]]:
    """Return ranges of the customers of each partition that cover all who may be evaluated."""
    found: dict[str, list[tuple[int, int]]] = {}
    for partition, first, last in partition_ranges(facts, facts.left_out):
        for start in range(first, last, CUSTOMERS_AT_A_TIME):
            stop = min(start + CUSTOMERS_AT_A_TIME, last)
            found.setdefault(partition, []).append((start, stop))
    return found
