"""Does the parts of a run on a cluster of Dask, which schedules them and tries again what fails."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Final

from distributed import Client, Future, as_completed
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker
from distributed.security import Security

from tuppence.adapters.patience import PatientPart
from tuppence.errors import UserError
from tuppence.usecases.ledger import Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem

_SCHEMES: Final = {"dask": "tcp", "dask+tls": "tls"}
_TRIES_AGAIN: Final = 1
"""Number of times that the cluster does a part again whose worker has tried it in vain."""
_CONNECT_SECONDS: Final = 20
_WORKERS_SECONDS: Final = 60
"""Seconds to wait for the first worker."""


class DaskCluster:
    """A running cluster of Dask. Implements the port PartWorkers.

    Args:
        address: The address of its scheduler, dask://HOST:PORT or dask+tls://HOST:PORT. The
            certificates for TLS come from the configuration of Dask.

    Raises:
        UserError: This is no such address.
    """

    def __init__(self, address: str) -> None:
        scheme, _, rest = address.partition("://")
        if scheme not in _SCHEMES or not rest:
            hint = "write it as dask://HOST:PORT, or dask+tls://HOST:PORT"
            raise UserError("run.cluster", f"{address!r} is no address of a cluster", hint)
        self._address = address
        self._scheduler = f"{_SCHEMES[scheme]}://{rest}"

    def each(
        self, do: DoPart, parts: Sequence[WorkItem]
    ) -> Iterator[tuple[WorkItem, Tally | PartProblem]]:
        """Yield each part with its outcome, in the order in which they are done.

        Raises:
            UserError: No scheduler or no worker answers.
        """
        with contextlib.closing(self._connect()) as client:
            futures = client.map(PatientPart(do), parts, pure=False, retries=_TRIES_AGAIN)
            part_of = {future.key: part for future, part in zip(futures, parts, strict=True)}
            try:
                for future in as_completed(futures, loop=client.loop):
                    yield part_of[future.key], self._outcome(future)
                    future.release()
            finally:
                client.cancel(futures)

    def _connect(self) -> Client:
        certificates = Security().get_connection_args("client")["ssl_context"]
        if self._scheduler.startswith("tls:") and certificates is None:
            message = f"{self._address}: this machine has no certificate for it"
            hint = "name its file in DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT, and …__CA_FILE"
            raise UserError("run.cluster", message, hint)
        try:
            client = Client(self._scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            message = f"{self._address}: no scheduler of Dask answers: {error}"
            raise UserError("run.cluster", message, "see that it runs: dask scheduler") from None
        try:
            client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
        except TimeoutError:
            client.close()
            message = f"{self._address}: the cluster has no worker"
            raise UserError("run.cluster", message, "start some: dask worker ADDRESS") from None
        return client

    def _outcome(self, future: "Future[Tally | PartProblem]") -> Tally | PartProblem:
        """Return the outcome of a part that has ended in some way."""
        try:
            return future.result()
        except UserError as error:
            return PartProblem(error.code, error.message, error.hint)
        except KilledWorker:
            message = "the workers that did this part ended one after the other"
            return PartProblem("run.worker-lost", message, "see their logs; memory may be short")
        except (CancelledError, FutureCancelledError):
            message = f"{self._address}: the scheduler ended or was restarted"
            return PartProblem("run.cluster", message)
        except ModuleNotFoundError as error:
            message = f"a worker lacks the package {error.name}"
            return PartProblem("run.version", message, "install tuppence[cluster] on all machines")
