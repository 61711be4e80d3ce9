"""The ports of a fleet's run."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from tuppence.feel.values import Date
from tuppence.usecases.fleet.messages import (
    FleetItem,
    FleetRun,
    GivenUp,
    Page,
    PageName,
    PageState,
)


class FleetLedger(Protocol):
    """The book of a fleet's runs; an entry that is made twice counts once."""

    def begin(self, run: FleetRun) -> FleetRun:
        """Enter a run, or return the run of that name as it stands.

        Raises:
            UserError: There is a run of a later date, or the name belongs to a different run.
        """
        ...

    def compare_and_set(self, before: FleetRun, after: FleetRun) -> FleetRun:
        """Replace a run if it is unchanged; return the run as it then stands."""
        ...

    def record(self, page: PageName, items: int | None = None, done: Iterable[int] = ()) -> None:
        """Enter how many items a page has, and which are done."""
        ...

    def give_up(self, given_up: GivenUp) -> None:
        """Enter work as given up; what was entered before about the same page or item goes."""
        ...

    def forget(self, given_up: GivenUp) -> None:
        """Remove the entry of work that was given up, because it was sent again."""
        ...

    def read(self, run_id: str) -> tuple[FleetRun, Iterator[PageState]]:
        """Return a run and its pages, in any order.

        Raises:
            UserError: There is no run of that name.
        """
        ...

    def latest(self) -> str:
        """Return the latest date of all runs that were begun; empty if there are none."""
        ...

    def night(self, as_of: str) -> str | None:
        """Return the name of the run of everybody that was begun last for a date, if any."""
        ...


class Queue(Protocol):
    """Takes messages, and loses none."""

    def send(self, messages: Sequence[Page | FleetItem]) -> None:
        """Send messages; some may be sent although others, or all, fail.

        Raises:
            UserError: Not all could be sent.
        """
        ...


class Customers(Protocol):
    """Lists the customers who have agreed to be evaluated."""

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        """Return those who follow a customer, in the order of their identifiers."""
        ...


class Evaluations(Protocol):
    """Running engines."""

    def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
        """Have an item evaluated and its results kept within a number of seconds.

        Args:
            item: The work.
            seconds: Time for all tries.
            one_try: Time for each of them.

        Raises:
            UserError: `engine.refused` if an engine refused the item; any other code if no engine
                could take it, so that the same item may succeed later.
        """
        ...
