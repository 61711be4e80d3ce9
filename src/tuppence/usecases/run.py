"""A run: evaluate one ruleset for all customers as of one date, and keep what is new."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

import msgspec

from tuppence.engine.columnar import Engine
from tuppence.engine.reference import Evaluation
from tuppence.errors import UserError
from tuppence.facts.source import FactSource, partition_ranges
from tuppence.feel import Date
from tuppence.results.batch import ResultDiff, merge_results
from tuppence.results.result import ResultStore
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import Ledger, ProblemCount, RunRecord, Tally, WorkItem, add

CUSTOMERS_PER_ITEM = 500

Evaluator = Callable[[Iterable[WorkItem]], Iterator[tuple[WorkItem, Evaluation]]]
"""Evaluates items, in any order, in this process or in others."""
Work = Callable[[Sequence[WorkItem]], Iterator[tuple[WorkItem, Tally]]]
"""Does items, enters each in the ledger, and gives what became of it."""
T = TypeVar("T")


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to.

    Attributes:
        run_id: Of the run.
        tally: Of all its items, those of earlier processes too.
        resumed: Items that were done before this process began.
        already_finished: The very same run was the last one, so there was nothing to do.
    """

    run_id: str
    tally: Tally
    resumed: int
    already_finished: bool


def work_items(
    facts: FactSource,
    customers_per_item: int = CUSTOMERS_PER_ITEM,
    left_out: Collection[str] = (),
) -> list[WorkItem]:
    """All customers, cut into items.

    Args:
        facts: Of the customers.
        customers_per_item: At most so many.
        left_out: Customers whose consents do not let them be evaluated.
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
    results: ResultStore,
    ledger: Ledger,
    evaluate_items: Evaluator,
    advance: Callable[[Tally], None] = lambda _: None,
) -> Outcome:
    """Evaluate everything, or what is left of it after an interruption.

    Args:
        facts: What the customers did.
        items: All that is to be evaluated.
        ruleset: The rules.
        as_of: The date that the rules take for today.
        results: Where results are kept.
        ledger: Where the progress is kept.
        evaluate_items: How items are evaluated.
        advance: Told of each item when it is done.

    Raises:
        UserError: Results of a later date are kept already.
    """
    record = RunRecord(
        _run_id(facts, ruleset, as_of),
        as_of.day,
        ruleset.digest,
        tuple(item.name for item in items),
    )

    def work(left: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Tally]]:
        for item, evaluation in evaluate_items(left):
            yield item, keep(record.run_id, item, evaluation, results, ledger)

    return carry_out(record, items, ledger, work, advance)


def carry_out(
    record: RunRecord,
    items: Sequence[WorkItem],
    ledger: Ledger,
    work: Work,
    advance: Callable[[Tally], None],
) -> Outcome:
    """Do what is left of a run, and enter that it is finished.

    Args:
        record: Of the run.
        items: All of it.
        ledger: Where the progress is kept.
        work: Does items, enters each in the ledger, and gives what became of it.
        advance: Told of each item when it is done.

    Raises:
        UserError: A run of a later date was started already.
    """
    latest = ledger.latest()
    _refuse_older(latest, record.as_of)
    if latest is None or (latest.run_id, latest.items) != (record.run_id, record.items):
        ledger.start(record)
        latest = record
    done = dict(ledger.done(record.run_id))
    for tally in done.values():
        advance(tally)
    resumed = len(done)
    for item, tally in work([item for item in items if item.name not in done]):
        done[item.name] = tally
        advance(tally)
    if not latest.finished:
        ledger.finish(record.run_id)
    return Outcome(record.run_id, add(list(done.values())), resumed, latest.finished)


def in_order(
    items: Iterable[WorkItem], submit: Callable[[WorkItem], "Future[T]"], workers: int
) -> Iterator[tuple[WorkItem, T]]:
    """What becomes of items, in their order, with a few under way, so that memory stays small."""
    pending: deque[tuple[WorkItem, Future[T]]] = deque()
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


def keep(
    run_id: str, item: WorkItem, evaluation: Evaluation, results: ResultStore, ledger: Ledger
) -> Tally:
    """Put an item's results where they are kept, and enter it as done."""
    batch = evaluation.results
    found = merge_results(results.get(batch.customer_ids), batch)
    tally = _tally(evaluation, found)
    with ledger.finishing(run_id, item.name, tally):
        results.put(found.rows)
    return tally


def in_process(facts: FactSource, engine: Engine) -> Evaluator:
    """An evaluator that does the work itself, one item after another."""

    def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
        partition, batch = "", None
        for item in items:
            if batch is None or item.partition != partition:
                partition, batch = item.partition, facts.read(item.partition)
            yield item, engine.evaluate(batch.slice(item.start, item.stop))

    return evaluate_items


def _run_id(facts: FactSource, ruleset: Ruleset, as_of: Date) -> str:
    content = f"{ruleset.digest} {facts.digest} {as_of}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _refuse_older(latest: RunRecord | None, day: int) -> None:
    if latest is not None and latest.as_of > day:
        message = f"the last run was as of {Date(latest.as_of)}, and this one is as of {Date(day)}"
        hint = "older results never replace newer ones: run it into another store"
        raise UserError("results.older", message, hint)


def _tally(evaluation: Evaluation, found: ResultDiff) -> Tally:
    batch = evaluation.results
    return Tally(
        len(batch),
        len(batch) * len(batch.layout.rules),
        int(found.qualified.sum()),
        int(found.unknown.sum()),
        int(found.changed.sum()),
        tuple(ProblemCount(*problem, count) for problem, count in evaluation.problems.items()),
    )
