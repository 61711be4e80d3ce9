"""Evaluates work items in threads of this process, and what is left to the interpreter in others.

items -> threads: columns -> results
             pairs that columns do not decide -> processes: interpreter
"""

import concurrent.futures
import functools
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.engine.columnar import Engine, Interpretation, Interpreted, Pair
from tuppence.engine.reference import Evaluation, Problem
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Access
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.ruleset import read_ruleset
from tuppence.usecases.ledger import WorkItem
from tuppence.usecases.run import Evaluator, in_order

_PAIRS: Final = 250
"""Number of pairs that a process evaluates at a time."""


class _Partitions:
    """Reads partitions of the facts of a run, and keeps the last one of each thread.

    Args:
        root: Directory of the fact store.
        digest: Digest of the facts that the run evaluates.
        limited: Access by customer, for customers whose facts may not all be read.
        fields: Fields of transactions to read; None for all.
    """

    def __init__(
        self,
        root: Path,
        digest: str,
        limited: Mapping[str, Access],
        fields: frozenset[str] | None = None,
    ) -> None:
        self._root, self._digest, self._limited = root, digest, limited
        self._fields = fields
        self._last = threading.local()

    def open(self) -> PermittedFacts:
        """Return the facts that consents allow to be read.

        Raises:
            UserError: The facts have changed since the run started.
        """
        facts = FactStore(self._root)
        if facts.digest != self._digest:
            message = f"{self._root}: the facts were changed during the run"
            raise UserError("run.facts-changed", message, "run it again over the new facts")
        return PermittedFacts(facts, self._limited)

    def read(self, name: str) -> FactBatch:
        """Return the facts of a partition."""
        if getattr(self._last, "name", "") != name:
            self._last.name, self._last.batch = "", None  # a thread holds one partition at a time
            self._last.batch = self.open().read(name, self._fields)
            self._last.name = name
        batch: FactBatch = self._last.batch
        return batch


class _Worker:
    """The state of a worker process: the facts, and its engine."""

    def __init__(
        self,
        root: Path,
        facts_digest: str,
        limited: Mapping[str, Access],
        ruleset: bytes,
        as_of: Date,
    ) -> None:
        self._partitions = _Partitions(root, facts_digest, limited)
        schema = self._partitions.open().schema
        self._engine = Engine(make_plan(read_ruleset(ruleset, schema), as_of, schema))

    def interpret(self, partition: str, pairs: Sequence[Pair]) -> Interpretation:
        first, last = pairs[0][0], pairs[-1][0]
        part = self._partitions.read(partition).slice(first, last + 1)
        return self._engine.interpret(part, [(customer - first, rule) for customer, rule in pairs])


class Workers:
    """Evaluates the facts of a run in threads. Implements the port Workers.

    Args:
        root: Directory of the fact store.
        facts_digest: Digest of the facts that the run evaluates.
        limited: Access by customer, for customers whose facts may not all be read.
    """

    def __init__(self, root: Path, facts_digest: str, limited: Mapping[str, Access]) -> None:
        self._facts_arguments = root, facts_digest, limited

    def evaluator(self, engine: Engine, workers: int) -> Evaluator:
        """Return an evaluator that uses several threads.

        Columns are evaluated almost entirely without the interpreter's lock. Where many pairs of an
        item are left to the interpreter, as many processes share them; they start when there are
        such pairs, and always end with this process.

        Args:
            engine: Evaluates the items.
            workers: Number of threads, and of processes.
        """
        plan = engine.plan
        partitions = _Partitions(*self._facts_arguments, plan.transaction_fields)
        state = (*self._facts_arguments, plan.ruleset.content, plan.as_of)

        def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
            context = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(workers, context, _initialize, state)

            def evaluate(item: WorkItem) -> Evaluation:
                batch = partitions.read(item.partition)
                if item.stop - item.start < len(batch):
                    batch = batch.slice(item.start, item.stop)
                share = functools.partial(_share, pool, item)
                return engine.evaluate(batch, share if workers > 1 else None)

            with concurrent.futures.ThreadPoolExecutor(workers) as threads:
                try:
                    yield from in_order(items, lambda item: threads.submit(evaluate, item), workers)
                finally:  # a thread that waits for a process goes on, and ends
                    pool.shutdown(wait=True, cancel_futures=True)

        return evaluate_items


def _share(
    pool: concurrent.futures.ProcessPoolExecutor, item: WorkItem, pairs: Sequence[Pair]
) -> Interpretation:
    """Have several processes evaluate pairs of an item."""
    moved = [(item.start + customer, rule) for customer, rule in pairs]
    parts = [moved[i : i + _PAIRS] for i in range(0, len(moved), _PAIRS)]
    tasks = [pool.submit(_interpret, item.partition, part) for part in parts]
    results: list[Interpreted] = []
    problems = Counter[Problem]()
    for task in tasks:
        found = task.result()
        results += found.results
        problems.update(found.problems)
    return Interpretation(results, problems)


class _State:
    """The state of this process; a process pool offers no other way to pass it to tasks."""

    arguments: tuple[Any, ...] = ()
    worker: _Worker | None = None


_state = _State()


def _initialize(*arguments: Any) -> None:
    """Keep the arguments of the worker, and make this process end with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def end_with_parent() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
    _state.arguments = arguments


def _interpret(partition: str, pairs: Sequence[Pair]) -> Interpretation:
    if _state.worker is None:  # made here and not in _initialize, so that errors reach the parent
        _state.worker = _Worker(*_state.arguments)
    return _state.worker.interpret(partition, pairs)
