"""The record of runs: the items of each, and which of them are done."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class WorkItem(msgspec.Struct, frozen=True):
    """Customers `start` to `stop` of a partition, by all rules of the run."""

    partition: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """A name that is unique in a run."""
        return f"{self.partition}:{self.start}-{self.stop}"


class ProblemCount(msgspec.Struct, frozen=True):
    """The number of customers for whom a part of a rule failed."""

    rule_id: str
    place: str
    code: str
    position: int
    message: str
    count: int


class RuleCount(msgspec.Struct, frozen=True, array_like=True):
    """The numbers of customers who qualify for a rule, and for whom it is unknown.

    Stored as an array: a run has one for each rule and item.
    """

    rule_id: str
    qualified: int
    unknown: int


class Tally(msgspec.Struct, frozen=True):
    """Counts of the outcomes of one item or of several.

    Attributes:
        customers: Number of customers.
        evaluations: Number of pairs of a customer and a rule.
        qualified: Number of qualified results.
        unknown: Number of unknown results.
        changed: Number of results that differ from the stored ones.
        problems: Reasons why results or parts of them are null.
        by_rule: Counts of each rule; none in runs of earlier versions.
    """

    customers: int = 0
    evaluations: int = 0
    qualified: int = 0
    unknown: int = 0
    changed: int = 0
    problems: tuple[ProblemCount, ...] = ()
    by_rule: tuple[RuleCount, ...] = ()


class RunRecord(msgspec.Struct, frozen=True):
    """A run.

    Attributes:
        run_id: Digest of the ruleset, the facts and the date that it evaluates.
        as_of: Days since 1970-01-01.
        ruleset: Digest.
        items: Names of all its items.
        finished: Whether all of them are done.
        before: Date of the run before, in days since 1970-01-01, if the results of that run are
            kept beside those of this one. The ledger enters it.
        started: The time at which it was started, in milliseconds since 1970-01-01, if it is known.
        ended: The time at which all items were done. If the run was interrupted and resumed, the
            pause is part of it.
        processors: Number of threads or processes that shared the work; 0 if it is not known.
    """

    run_id: str
    as_of: int
    ruleset: str
    items: tuple[str, ...]
    finished: bool = False
    before: int | None = None
    started: int | None = None
    ended: int | None = None
    processors: int = 0

    @property
    def customers(self) -> int:
        """The number of customers of all items, which their names say."""
        edges = (item.rpartition(":")[2].partition("-") for item in self.items)
        return sum(int(stop) - int(start) for start, _, stop in edges)


class Ledger(Protocol):
    """Records which items of each run are done, and survives kills of its processes."""

    def latest(self) -> RunRecord | None:
        """Return the run that was started last."""
        ...

    def start(self, run: RunRecord) -> None:
        """Enter a run with no item done, in place of a run of the same name."""
        ...

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """Return the items that are done, by name."""
        ...

    def completing(self, run_id: str, item: str, tally: Tally) -> AbstractContextManager[None]:
        """Return a block in which an item's results are stored; after it the item is done.

        If results and ledger share a database, both are written in one transaction.
        """
        ...

    def finish(self, run_id: str, at: int | None = None) -> None:
        """Enter that all items are done.

        Args:
            run_id: Name of the run.
            at: The time, in milliseconds since 1970-01-01, if it is known.
        """
        ...


def add(tallies: Sequence[Tally]) -> Tally:
    """Return the sum of tallies, with equal problems merged and the most frequent first."""
    counts: dict[tuple[str, str, str, int, str], int] = {}
    for tally in tallies:
        for p in tally.problems:
            key = (p.rule_id, p.place, p.code, p.position, p.message)
            counts[key] = counts.get(key, 0) + p.count
    by_rule: dict[str, tuple[int, int]] = {}
    for tally in tallies:
        for one in tally.by_rule:
            qualified, unknown = by_rule.get(one.rule_id, (0, 0))
            by_rule[one.rule_id] = qualified + one.qualified, unknown + one.unknown
    problems = [ProblemCount(*key, count) for key, count in counts.items()]
    return Tally(
        sum(tally.customers for tally in tallies),
        sum(tally.evaluations for tally in tallies),
        sum(tally.qualified for tally in tallies),
        sum(tally.unknown for tally in tallies),
        sum(tally.changed for tally in tallies),
        tuple(sorted(problems, key=lambda p: (-p.count, p.rule_id, p.place, p.position))),
        tuple(RuleCount(name, *counts) for name, counts in sorted(by_rule.items())),
    )
