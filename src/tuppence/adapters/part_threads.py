"""Does the parts of a run in threads of this machine."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from tuppence.adapters.patience import PatientPart
from tuppence.errors import UserError
from tuppence.usecases.ledger import Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem


class PartThreads:
    """Threads of this machine. Implements the port PartWorkers.

    Args:
        threads: Their number.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def each(
        self, do: DoPart, parts: Sequence[WorkItem]
    ) -> Iterator[tuple[WorkItem, Tally | PartProblem]]:
        """Yield each part with its outcome, in the order in which they are done."""
        pool = ThreadPoolExecutor(self._threads)
        try:
            futures = {pool.submit(PatientPart(do), part): part for part in parts}
            for future in as_completed(futures):
                try:
                    outcome = future.result()
                except UserError as error:
                    outcome = PartProblem(error.code, error.message, error.hint)
                yield futures[future], outcome
        finally:
            pool.shutdown(cancel_futures=True)
