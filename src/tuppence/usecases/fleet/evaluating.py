"""Has work items evaluated: overload makes that slow, and only a refusal gives an item up."""

from collections.abc import Iterable
from typing import Final

from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import FleetItem
from tuppence.usecases.fleet.ports import Evaluations, FleetLedger, Queue

LONGEST_DELAY: Final = 60
"""Maximum number of seconds until an item that no engine could take is tried again."""


def evaluate_item(
    item: FleetItem,
    engines: Evaluations,
    ledger: FleetLedger,
    dead_letters: Queue,
    latest: str,
    seconds: float,
    *,
    may_give_up: bool,
) -> bool:
    """Have an item evaluated and enter it as done, or give it up with the reason.

    An item is given up because an engine refuses it, or because it is older than the latest run,
    so that an older result never replaces a newer one. It is never given up because engines are
    busy, restarting or out of reach.

    Args:
        item: The work.
        engines: Evaluate it.
        ledger: Records the outcome.
        dead_letters: Takes an item that engines refuse.
        latest: The latest date of all runs.
        seconds: Time for all tries.
        may_give_up: Whether a refusal is final; before that, the item is to be tried again.

    Returns:
        Whether the item is done; False if it was given up.

    Raises:
        UserError: The item is to be tried again.
    """
    if item.as_of < latest:
        reason = f"a run as of {latest} has begun"
        ledger.record(item.page_name, given_up=[item], reason=reason)
        return False
    try:
        engines.evaluate_item(item, seconds)
    except UserError as error:
        if error.code != "engine.refused" or not may_give_up:
            raise
        ledger.record(item.page_name, given_up=[item], reason=error.message)
        dead_letters.send([item])
        return False
    ledger.record(item.page_name, done=[item.number])
    return True


def record_last_tries(items: Iterable[FleetItem], ledger: FleetLedger, receives: int) -> None:
    """Enter items as given up before the last try of each that the queue allows.

    A process that is ended in the middle of a batch can enter nothing, and afterwards the queue
    moves its messages to the dead letters. An item that is done after all counts as done.
    """
    for item in items:
        reason = f"it was received {receives:,} times and no engine could take it"
        ledger.record(item.page_name, given_up=[item], reason=reason)


def share_of_time(left: float, items_left: int, one_try: float) -> float:
    """Return the seconds for the next item: an equal share, or one try of an engine if longer.

    Args:
        left: Seconds until the process has to end.
        items_left: Number of items that are still to be evaluated, at least 1.
        one_try: Seconds that an engine may take.
    """
    return max(left / items_left, min(left, one_try), 0.0)


def delay(receives: int) -> int:
    """Return the seconds until an item is tried again, given how often it was received."""
    return min(1 << min(receives, 10), LONGEST_DELAY)
