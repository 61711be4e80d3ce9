"""A run: evaluates one ruleset for all customers as of one date, and stores what changed."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

import msgspec

from tuppence.engine.reference import Evaluation
from tuppence.errors import UserError
from tuppence.facts.source import FactSource, partition_ranges
from tuppence.feel import Date
from tuppence.results.batch import ResultDiff, merge_results
from tuppence.results.result import CustomerResults, ResultStore
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import (
    Ledger,
    ProblemCount,
    RuleCount,
    RunRecord,
    RunRecords,
    Tally,
    WorkItem,
    add,
)

Evaluator = Callable[[Iterable[WorkItem]], Iterator[tuple[WorkItem, Evaluation]]]
"""Evaluates items, in any order."""
Work = Callable[[Sequence[WorkItem]], Iterator[tuple[WorkItem, Tally]]]
"""Does items, enters each in the ledger, and yields its counts."""
Clock = Callable[[], int | None]
"""Returns the time, in milliseconds since 1970-01-01; None if runs are not timed."""
T = TypeVar("T")
Item = TypeVar("Item")


def no_clock() -> None:
    """Return no time."""


class RunResults(ResultStore, Protocol):
    """Keeps the results of the latest run, and those that they replace."""

    def replace(
        self, rows: Iterable[CustomerResults], before: Mapping[str, CustomerResults]
    ) -> None:
        """Store rows as `put` does, and keep the rows of the same customers that were before."""
        ...


class RunOutcome(msgspec.Struct, frozen=True):
    """The outcome of a run.

    Attributes:
        run_id: Name of the run.
        tally: Counts of all its items, including those of earlier processes.
        resumed: Number of items that were done before this process began.
        already_finished: Whether the last run was the same one, so there was nothing to do.
    """

    run_id: str
    tally: Tally
    resumed: int
    already_finished: bool


def work_items(
    facts: FactSource, customers_per_item: int, left_out: Collection[str] = ()
) -> list[WorkItem]:
    """Return all customers as work items.

    Args:
        facts: The customers' facts.
        customers_per_item: Maximum number of customers in an item.
        left_out: Customers whose consents do not allow an evaluation.
    """
    return [
        WorkItem(partition, start, min(start + customers_per_item, last))
        for partition, first, last in partition_ranges(facts, left_out)
        for start in range(first, last, customers_per_item)
    ]


def run(
    facts: FactSource,
    items: Sequence[WorkItem],
    ruleset: Ruleset,
    as_of: Date,
    results: RunResults,
    ledger: Ledger,
    evaluate_items: Evaluator,
    advance: Callable[[Tally], None] = lambda _: None,
    clock: Clock = no_clock,
    processors: int = 0,
) -> RunOutcome:
    """Evaluate all items, or after an interruption the rest of them.

    Args:
        facts: The customers' facts.
        items: All items of the run.
        ruleset: The rules.
        as_of: The date that the rules take for today.
        results: Stores the results.
        ledger: Records the progress.
        evaluate_items: Evaluates items.
        advance: Called with the counts of each item that is done.
        clock: Tells when the run starts and ends.
        processors: Number of threads or processes that share the work.

    Raises:
        UserError: Results of a later date are already stored.
    """
    record = record_of(facts, items, ruleset, as_of, clock(), processors)

    def work(left: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Tally]]:
        for item, evaluation in evaluate_items(left):
            yield item, commit_item(record.run_id, item, evaluation, results, ledger)

    return resume_run(record, items, ledger, work, advance, clock)


def record_of(
    facts: FactSource,
    items: Sequence[WorkItem],
    ruleset: Ruleset,
    as_of: Date,
    started: int | None,
    processors: int = 0,
) -> RunRecord:
    """Return the record of a run that begins; the arguments are those of `run`."""
    return RunRecord(
        name_run(facts.digest, ruleset.digest, as_of),
        as_of.day,
        ruleset.digest,
        tuple(item.name for item in items),
        started=started,
        processors=processors,
    )


def resume_run(
    record: RunRecord,
    items: Sequence[WorkItem],
    ledger: RunRecords,
    work: Work,
    advance: Callable[[Tally], None],
    clock: Clock = no_clock,
) -> RunOutcome:
    """Do the items of a run that are not done yet, and enter the run as finished.

    Args:
        record: The run.
        items: All its items.
        ledger: Records the progress.
        work: Does items, enters each in the ledger, and yields its counts.
        advance: Called with the counts of each item that is done.
        clock: Tells when the run ends.

    Raises:
        UserError: A run of a later date was started already.
    """
    is_finished = begin_run(record, ledger)
    done = dict(ledger.done(record.run_id))
    for tally in done.values():
        advance(tally)
    resumed = len(done)
    for item, tally in work([item for item in items if item.name not in done]):
        done[item.name] = tally
        advance(tally)
    if not is_finished:
        ledger.finish(record.run_id, clock())
    return RunOutcome(record.run_id, add(list(done.values())), resumed, is_finished)


def begin_run(record: RunRecord, ledger: RunRecords) -> bool:
    """Enter a run, unless it is the one that was started last; return whether that is finished.

    Raises:
        UserError: A run of a later date was started already.
    """
    latest = ledger.latest()
    _refuse_older(latest, record.as_of)
    if latest is None or (latest.run_id, latest.items) != (record.run_id, record.items):
        ledger.start(record)
        return False
    return latest.finished


def in_order(
    items: Iterable[Item], submit: Callable[[Item], "Future[T]"], workers: int
) -> Iterator[tuple[Item, T]]:
    """Yield items with their outcomes in order; only a few are in progress, to bound memory."""
    pending: deque[tuple[Item, Future[T]]] = deque()
    try:
        for item in items:
            pending.append((item, submit(item)))
            if len(pending) > 2 * workers:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        for _, future in pending:
            future.cancel()


def commit_item(
    run_id: str, item: WorkItem, evaluation: Evaluation, results: RunResults, ledger: Ledger
) -> Tally:
    """Store the changes of an item's results and enter the item as done."""
    batch = evaluation.results
    before = results.get(batch.customer_ids)
    found = merge_results(before, batch)
    tally = tally_of(evaluation, found)
    with ledger.completing(run_id, item.name, tally):
        results.replace(found.rows, before)
    return tally


def name_run(facts: str, ruleset: str, as_of: Date) -> str:
    """Return the name of a run, given the digests of facts and ruleset, and its date."""
    content = f"{ruleset} {facts} {as_of}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _refuse_older(latest: RunRecord | None, day: int) -> None:
    if latest is not None and latest.as_of > day:
        message = f"the last run was as of {Date(latest.as_of)}, and this one is as of {Date(day)}"
        hint = "older results never replace newer ones: run it into another store"
        raise UserError("results.older", message, hint)


def tally_of(evaluation: Evaluation, found: ResultDiff) -> Tally:
    """Return the counts of an evaluation, compared with stored results."""
    batch = evaluation.results
    return Tally(
        len(batch),
        len(batch) * len(batch.layout.rules),
        int(found.qualified.sum()),
        int(found.unknown.sum()),
        int(found.changed.sum()),
        tuple(ProblemCount(*problem, count) for problem, count in evaluation.problems.items()),
        tuple(RuleCount(*counts) for counts in batch.counts()),
    )
