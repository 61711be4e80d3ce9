"""Evaluates work items in threads or processes of this machine."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.engine.columnar import Engine
from tuppence.engine.reference import Evaluation
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Access
from tuppence.facts.permitted import PermittedFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.rules.ruleset import read_ruleset
from tuppence.usecases.ledger import WorkItem
from tuppence.usecases.run import Evaluator, in_order


class _Worker:
    """What a process keeps between items: the plan, and the partition it is at."""

    def __init__(
        self,
        root: Path,
        facts_digest: str,
        limited: Mapping[str, Access],
        ruleset: bytes,
        as_of: Date,
    ) -> None:
        self.facts = _opened(root, facts_digest, limited)
        schema = self.facts.schema
        plan = make_plan(read_ruleset(ruleset, schema), as_of, schema)
        self.engine = Engine(plan)
        self.partition = ""
        self.batch: FactBatch | None = None

    def evaluate(self, item: WorkItem) -> Evaluation:
        if self.batch is None or self.partition != item.partition:
            self.batch = self.facts.read(item.partition)
            self.partition = item.partition
        return self.engine.evaluate(self.batch.slice(item.start, item.stop))


class Workers:
    """Threads and processes over the facts of a run. Implements the port Workers.

    Args:
        root: Folder of the fact store.
        facts_digest: Digest of the facts that the run is about.
        limited: What may be read of the customers of whom not everything may be.
    """

    def __init__(self, root: Path, facts_digest: str, limited: Mapping[str, Access]) -> None:
        self._about = root, facts_digest, limited

    def in_processes(self, ruleset: bytes, as_of: Date, processes: int) -> Evaluator:
        """Return an evaluator over processes, which end with this one however it ends.

        Args:
            ruleset: Canonical bytes.
            as_of: The date of evaluation.
            processes: Number of processes.
        """

        def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
            context = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(
                processes, context, _begin, (*self._about, ruleset, as_of)
            )
            try:
                yield from in_order(items, lambda item: pool.submit(_evaluate, item), processes)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

        return evaluate_items

    def in_threads(self, engine: Engine, threads: int) -> Evaluator:
        """Return an evaluator over threads of this process.

        For rules that are all columns: then nearly all of the work is done outside of the
        interpreter's lock.

        Args:
            engine: Evaluates.
            threads: Number of threads.
        """
        fields = engine.plan.transaction_fields

        def evaluate(item: WorkItem) -> Evaluation:
            batch = _opened(*self._about).read(item.partition, fields)
            if item.stop - item.start < len(batch):
                batch = batch.slice(item.start, item.stop)
            return engine.evaluate(batch)

        def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
            with concurrent.futures.ThreadPoolExecutor(threads) as pool:
                yield from in_order(items, lambda item: pool.submit(evaluate, item), threads)

        return evaluate_items


def _opened(root: Path, digest: str, limited: Mapping[str, Access]) -> PermittedFacts:
    """Return the facts as far as they may be read.

    Raises:
        UserError: They are no longer the ones that the run is about.
    """
    facts = FactStore(root)
    if facts.digest != digest:
        message = f"{root}: the facts were changed while the run was going on"
        raise UserError("run.facts-changed", message, "run it again, over the new facts")
    return PermittedFacts(facts, limited)


class _State:
    """Of this process: pools hand state to their tasks in no other way."""

    about: tuple[Any, ...] = ()
    worker: _Worker | None = None


_state = _State()


def _begin(*about: Any) -> None:
    """Note what the run is about, and see that the process does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def end_with_parent() -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
    _state.about = about


def _evaluate(item: WorkItem) -> Evaluation:
    if _state.worker is None:  # here and not in _begin, so that errors reach the parent
        _state.worker = _Worker(*_state.about)
    return _state.worker.evaluate(item)
