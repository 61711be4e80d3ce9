"""The book of runs: which items each has, and which are done."""

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
        """Unique in a run."""
        return f"{self.partition}:{self.start}-{self.stop}"


class ProblemCount(msgspec.Struct, frozen=True):
    """How many customers met a problem in a rule."""

    rule_id: str
    place: str
    code: str
    position: int
    message: str
    count: int


class Tally(msgspec.Struct, frozen=True):
    """What became of the customers and rules of an item, or of several.

    Attributes:
        customers: How many.
        evaluations: customers × rules.
        qualified: Results in that state.
        unknown: Likewise.
        changed: Results that differ from what was kept before.
        problems: Why results or parts of them are null.
    """

    customers: int = 0
    evaluations: int = 0
    qualified: int = 0
    unknown: int = 0
    changed: int = 0
    problems: tuple[ProblemCount, ...] = ()


class RunRecord(msgspec.Struct, frozen=True):
    """A run.

    Attributes:
        run_id: Names what it evaluates: the ruleset, the facts and the date.
        as_of: Days since 1970-01-01.
        ruleset: Digest.
        items: Names of all its items.
        finished: Whether all of them are done.
    """

    run_id: str
    as_of: int
    ruleset: str
    items: tuple[str, ...]
    finished: bool = False


class Ledger(Protocol):
    """Knows what of each run is done, however often its processes are killed."""

    def latest(self) -> RunRecord | None:
        """The run that was started last."""
        ...

    def start(self, run: RunRecord) -> None:
        """Enter a run that has none of its items done, in place of one of that name."""
        ...

    def done(self, run_id: str) -> Mapping[str, Tally]:
        """The items that are done, by name."""
        ...

    def finishing(self, run_id: str, item: str, tally: Tally) -> AbstractContextManager[None]:
        """Inside the block an item's results are put; after it the item is done.

        Where results and ledger share a database the two are one transaction.
        """
        ...

    def finish(self, run_id: str) -> None:
        """Enter that all items are done."""
        ...


def add(tallies: Sequence[Tally]) -> Tally:
    """The sum of tallies; problems of one place together, the most frequent first."""
    counts: dict[tuple[str, str, str, int, str], int] = {}
    for tally in tallies:
        for p in tally.problems:
            key = (p.rule_id, p.place, p.code, p.position, p.message)
            counts[key] = counts.get(key, 0) + p.count
    problems = [ProblemCount(*key, count) for key, count in counts.items()]
    return Tally(
        sum(tally.customers for tally in tallies),
        sum(tally.evaluations for tally in tallies),
        sum(tally.qualified for tally in tallies),
        sum(tally.unknown for tally in tallies),
        sum(tally.changed for tally in tallies),
        tuple(sorted(problems, key=lambda p: (-p.count, p.rule_id, p.place, p.position))),
    )
