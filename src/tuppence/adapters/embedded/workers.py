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
    """The state of a worker process: its engine, and the partition it read last."""

    def __init__(
        self,
        root: Path,
        facts_digest: str,
        limited: Mapping[str, Access],
        ruleset: bytes,
        as_of: Date,
    ) -> None:
        self.facts = _open_facts(root, facts_digest, limited)
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
    """Evaluates the facts of a run in threads or processes. Implements the port Workers.

    Args:
        root: Directory of the fact store.
        facts_digest: Digest of the facts that the run evaluates.
        limited: Access by customer, for customers whose facts may not all be read.
    """

    def __init__(self, root: Path, facts_digest: str, limited: Mapping[str, Access]) -> None:
        self._facts_arguments = root, facts_digest, limited

    def in_processes(self, ruleset: bytes, as_of: Date, processes: int) -> Evaluator:
        """Return an evaluator that uses several processes, which always end with this process.

        Args:
            ruleset: Canonical bytes of the ruleset.
            as_of: The date of evaluation.
            processes: Number of processes.
        """

        def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
            context = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(
                processes, context, _initialize, (*self._facts_arguments, ruleset, as_of)
            )
            try:
                yield from in_order(items, lambda item: pool.submit(_evaluate, item), processes)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

        return evaluate_items

    def in_threads(self, engine: Engine, threads: int) -> Evaluator:
        """Return an evaluator that uses several threads of this process.

        It suits rules whose conditions are all columns: they are evaluated almost entirely without
        the interpreter's lock, which only values of those who qualify may need.

        Args:
            engine: Evaluates the items.
            threads: Number of threads.
        """
        fields = engine.plan.transaction_fields

        def evaluate(item: WorkItem) -> Evaluation:
            batch = _open_facts(*self._facts_arguments).read(item.partition, fields)
            if item.stop - item.start < len(batch):
                batch = batch.slice(item.start, item.stop)
            return engine.evaluate(batch)

        def evaluate_items(items: Iterable[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
            with concurrent.futures.ThreadPoolExecutor(threads) as pool:
                yield from in_order(items, lambda item: pool.submit(evaluate, item), threads)

        return evaluate_items


def _open_facts(root: Path, digest: str, limited: Mapping[str, Access]) -> PermittedFacts:
    """Return the facts that consents allow to be read.

    Raises:
        UserError: The facts have changed since the run started.
    """
    facts = FactStore(root)
    if facts.digest != digest:
        message = f"{root}: the facts were changed during the run"
        raise UserError("run.facts-changed", message, "run it again over the new facts")
    return PermittedFacts(facts, limited)


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


def _evaluate(item: WorkItem) -> Evaluation:
    if (
        _state.worker is None
    ):  # created here and not in _initialize, so that errors reach the parent
        _state.worker = _Worker(*_state.arguments)
    return _state.worker.evaluate(item)
