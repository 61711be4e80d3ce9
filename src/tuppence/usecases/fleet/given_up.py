"""Enters messages that queues have given up in the ledger, and sends given-up work again."""

from typing import Final

from tuppence.usecases.fleet.messages import FleetItem, GivenUp, Page
from tuppence.usecases.fleet.ports import FleetLedger, Queue

DEAD_LETTER: Final = "no call of its function came to an end, until its queue gave it up"


def enter_dead_letter(work: Page | FleetItem, ledger: FleetLedger) -> GivenUp:
    """Enter a message of a dead-letter queue as given up, and return the entry.

    Its function was ended or failed each time that it received the message, so that it could enter
    nothing itself. If the work is done after all, it counts as done.
    """
    given_up = GivenUp(work, DEAD_LETTER)
    ledger.give_up(given_up)
    return given_up


def send_again(run_id: str, ledger: FleetLedger, pages: Queue, items: Queue) -> tuple[int, int]:
    """Send the work of a run that was given up again, and return the numbers of pages and items.

    Its entries are removed after it was sent: an interruption may cause work to be done twice, but
    none to be lost.

    Raises:
        UserError: There is no run of that name, or not all could be sent.
    """
    _, states = ledger.read(run_id)
    counts = [0, 0]
    for state in states:
        if state.items is None and state.page is not None:
            pages.send([state.page.work])
            ledger.forget(state.page)
            counts[0] += 1
        for number in sorted(state.given_up.keys() - state.done):
            items.send([state.given_up[number].work])
            ledger.forget(state.given_up[number])
            counts[1] += 1
    return counts[0], counts[1]
