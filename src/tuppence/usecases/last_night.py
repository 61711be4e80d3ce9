"""The stored results of the last run, in arrays in the order of a preview's customers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tuppence.results.columns import StoredStates, unpack_states
from tuppence.results.result import CustomerResults
from tuppence.rules.rule import Rule
from tuppence.usecases.ledger import RunRecord

Array = npt.NDArray[Any]

_CHUNK: Final = 20_000
"""Number of customers whose results are unpacked at a time."""


class StoredRun(Protocol):
    """The latest run, and the results of everybody."""

    def latest(self) -> RunRecord | None:
        """Return the run that was started last."""
        ...

    def scan(self) -> Iterable[CustomerResults]:
        """Return the results of all customers, as of the same moment as the latest run."""
        ...


class RunStore(Protocol):
    """A store in which rules may have run."""

    @property
    def has_results(self) -> bool:
        """True if anything has run in the store."""
        ...

    def read_results(self) -> AbstractContextManager[StoredRun]:
        """Open the results."""
        ...

    def rules(self, digest: str) -> Mapping[str, Rule]:
        """Return the rules of a run by identifier."""
        ...


class LastNight(NamedTuple):
    """The stored results of the last run.

    Attributes:
        run: The run.
        rules: Its rules, in the order of their identifiers.
        stored: Their results, by rule and then by customer.
        known: Whether a customer has results of the run.
    """

    run: RunRecord
    rules: tuple[Rule, ...]
    stored: StoredStates
    known: Array


def read_last_night(store: RunStore, customers: Sequence[str]) -> LastNight | None:
    """Return the stored results of the last run; None if nothing has run in the store.

    Results by other rules are not part of it. Results of an earlier run by the same rules, of
    customers whom the last one left out, are: an unchanged row is not written again.

    Args:
        store: The store.
        customers: The customers, in the order that the arrays get.

    Raises:
        UserError: The results are damaged, or were changed while they were read.
    """
    if not store.has_results:
        return None
    with store.read_results() as kept:
        run = kept.latest()
        if run is None:
            return None
        rules = store.rules(run.ruleset)
        shape = len(rules), len(customers)
        stored = StoredStates(
            np.zeros(shape, np.uint8), np.zeros(shape, np.uint16), np.full(shape, -1, np.int32)
        )
        known = np.zeros(len(customers), np.bool_)
        place_of = {name: place for place, name in enumerate(customers)}
        for rows in _chunks(kept.scan(), run.ruleset, place_of):
            places = [place_of[row.customer_id] for row in rows]
            known[places] = True
            found = unpack_states(rows[0].layout, rows)
            for whole, part in zip(stored, found, strict=True):
                whole[:, places] = part
    return LastNight(run, tuple(rules[name] for name in sorted(rules)), stored, known)


def _chunks(
    rows: Iterable[CustomerResults], ruleset: str, wanted: Mapping[str, int]
) -> Iterator[list[CustomerResults]]:
    """Yield the results by a ruleset of the wanted customers, some at a time."""
    left = (row for row in rows if row.ruleset == ruleset and row.customer_id in wanted)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
