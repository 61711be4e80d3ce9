"""Has work items evaluated: overload makes that slow, and only a refusal gives a customer up."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import FleetItem, GivenUp
from tuppence.usecases.fleet.ports import Evaluations, FleetLedger

MAX_DELAY: Final = 60
"""Maximum number of seconds until an item that no engine could take is tried again."""
REFUSED: Final = "engine.refused"


def evaluate_item(
    item: FleetItem,
    engines: Evaluations,
    ledger: FleetLedger,
    latest: str,
    seconds_left: Callable[[], float],
    one_try: float,
    *,
    may_give_up: bool,
) -> GivenUp | None:
    """Have an item evaluated and enter it as done, or give up some of its customers.

    Customers are given up because an engine refuses them, or because the item is older than the
    latest run, so that an older result never replaces a newer one. They are never given up because
    engines are busy, restarting or out of reach.

    Args:
        item: The work.
        engines: Evaluate it.
        ledger: Records the outcome.
        latest: The latest date of all runs.
        seconds_left: Returns the seconds that are left for this item.
        one_try: Seconds for one try of an engine.
        may_give_up: Whether a refusal is final; before that, the item is to be tried again.

    Returns:
        What was given up; None if the whole item is done.

    Raises:
        UserError: The item is to be tried again.
    """
    if item.as_of < latest:
        return _give_up(GivenUp(item, f"a run as of {latest} has begun"), ledger)

    def evaluate(part: FleetItem) -> None:
        engines.evaluate_item(part, seconds_left(), one_try)

    try:
        evaluate(item)
    except UserError as error:
        if error.code != REFUSED or not may_give_up:
            raise
        refused = dict(_refused_customers(item, error.message, evaluate))
        if refused:
            part = msgspec.structs.replace(item, customers=tuple(refused))
            return _give_up(GivenUp(part, _reason(refused)), ledger)
    ledger.record(item.page_name, done=[item.number])
    return None


def _refused_customers(
    item: FleetItem, reason: str, evaluate: Callable[[FleetItem], None]
) -> Iterator[tuple[str, str]]:
    """Yield each customer whom engines refuse with the reason, and have the others evaluated.

    A refused item is halved until the customers who cause the refusal are alone.
    """
    if len(item.customers) == 1:
        yield item.customers[0], reason
        return
    middle = len(item.customers) // 2
    for half in (item.customers[:middle], item.customers[middle:]):
        part = msgspec.structs.replace(item, customers=half)
        try:
            evaluate(part)
        except UserError as error:
            if error.code != REFUSED:
                raise
            yield from _refused_customers(part, error.message, evaluate)


def _reason(refused: dict[str, str]) -> str:
    """Return the reason of all refusals, or else that of each customer."""
    reasons = set(refused.values())
    if len(reasons) == 1:
        return reasons.pop()
    return "; ".join(f"{customer}: {reason}" for customer, reason in refused.items())


def _give_up(given_up: GivenUp, ledger: FleetLedger) -> GivenUp:
    ledger.give_up(given_up)
    return given_up


def share_of_time(left: float, items_left: int, one_try: float) -> float:
    """Return the seconds for the next item: an equal share, or one try of an engine if longer.

    Args:
        left: Seconds until the process has to end.
        items_left: Number of items that are still to be evaluated, at least 1.
        one_try: Seconds that an engine may take.
    """
    return max(left / items_left, min(left, one_try), 0.0)


def try_timeout(receives: int, one_try: float) -> float:
    """Return the seconds for one try of an engine, given how often the item was received.

    They double each time, so that an item that takes long, because engines are busy or slow, is
    done in the end; an engine that hangs is left soon at first.
    """
    return one_try * (1 << min(receives - 1, 10))


def delay(receives: int) -> int:
    """Return the seconds until an item is tried again, given how often it was received."""
    return min(1 << min(receives, 10), MAX_DELAY)
