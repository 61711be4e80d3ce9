"""Does the parts of a run in threads of this machine."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from tuppence.errors import TransientError, UserError
from tuppence.usecases.ledger import Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem

_PAUSES: Final = (5.0, 20.0, 60.0)
"""Seconds before each further try of the parts that transient errors have ended."""


class PartThreads:
    """Threads of this machine. Implements the port PartWorkers.

    Args:
        threads: Their number.
        sleep: Waits for some seconds.
    """

    def __init__(self, threads: int, sleep: Callable[[float], None] = time.sleep) -> None:
        self._threads = threads
        self._sleep = sleep

    def each(
        self, do: DoPart, parts: Sequence[WorkItem]
    ) -> Iterator[tuple[WorkItem, Tally | PartProblem]]:
        """Yield each part with its outcome, in the order in which they are done."""
        pool = ThreadPoolExecutor(self._threads)
        pauses = iter(_PAUSES)
        try:
            while parts:
                pause, again = next(pauses, None), list[WorkItem]()
                futures = {pool.submit(do, part): part for part in parts}
                for future in as_completed(futures):
                    try:
                        outcome = future.result()
                    except UserError as error:
                        if pause is not None and isinstance(error, TransientError):
                            again.append(futures[future])
                            continue
                        outcome = PartProblem(error.code, error.message, error.hint)
                    yield futures[future], outcome
                if again and pause is not None:
                    self._sleep(pause)
                parts = again
        finally:
            pool.shutdown(cancel_futures=True)
