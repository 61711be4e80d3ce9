"""Evaluates work items in processes of this machine."""

import concurrent.futures
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.engine.reference import Evaluation, evaluate
from tuppence.facts.batch import FactBatch
from tuppence.feel.values import Date
from tuppence.plan import Plan, make_plan
from tuppence.rules.ruleset import read_ruleset
from tuppence.runs.ledger import WorkItem
from tuppence.runs.run import Evaluator


class _Worker:
    """What a process keeps between items: the plan, and the partition it is at."""

    def __init__(self, root: Path, ruleset: bytes, as_of: Date) -> None:
        self.facts = FactStore(root)
        self.plan: Plan = make_plan(read_ruleset(ruleset, self.facts.schema), as_of)
        self.partition = ""
        self.batch: FactBatch | None = None

    def evaluate(self, item: WorkItem) -> Evaluation:
        if self.batch is None or self.partition != item.partition:
            self.batch = self.facts.read(item.partition)
            self.partition = item.partition
        return evaluate(self.plan, self.batch.slice(item.start, item.stop))


def in_processes(root: Path, ruleset: bytes, as_of: Date, processes: int) -> Evaluator:
    """An evaluator over so many processes, which end with this one however it ends.

    Args:
        root: Of the fact store.
        ruleset: Canonical bytes.
        as_of: The date of evaluation.
        processes: How many.
    """

    def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
        context = multiprocessing.get_context("spawn")
        pool = concurrent.futures.ProcessPoolExecutor(
            processes, context, _begin, (root, ruleset, as_of)
        )
        pending: deque[tuple[WorkItem, concurrent.futures.Future[Evaluation]]] = deque()
        try:
            for item in items:
                pending.append((item, pool.submit(_evaluate, item)))
                if len(pending) > 2 * processes:  # a few ahead, so that memory stays small
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return evaluate_items


def _begin(root: Path, ruleset: bytes, as_of: Date) -> None:
    """Make this process's worker, and see that the process does not outlive its parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def end_with_parent() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
    _workers.append(_Worker(root, ruleset, as_of))


def _evaluate(item: WorkItem) -> Evaluation:
    return _workers[0].evaluate(item)


_workers: list[_Worker] = []
"""The worker of this process: pools hand state to their tasks in no other way."""
