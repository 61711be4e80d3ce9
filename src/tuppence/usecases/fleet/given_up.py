"""Enters messages that queues have given up in the ledger, and sends given-up work again."""

from typing import Final

from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import FleetItem, GivenUp, Page
from tuppence.usecases.fleet.ports import FleetLedger, Queue

DEAD_LETTER: Final = "its queue gave it up after its last try: the function failed or was ended"


def enter_dead_letter(work: Page | FleetItem, ledger: FleetLedger) -> None:
    """Enter a message of a dead-letter queue as given up.

    Its function was ended or failed each time that it received the message, so that it could enter
    nothing itself. If the work is done after all, it counts as done.
    """
    ledger.give_up(GivenUp(work, DEAD_LETTER))


def send_again(run_id: str, ledger: FleetLedger, pages: Queue, items: Queue) -> tuple[int, int]:
    """Send the work of a run that was given up again, and return the numbers of pages and items.

    Its entries are removed after it was sent: an interruption may cause work to be done twice, but
    none to be lost.

    Raises:
        UserError: There is no run of that name, a run of a later date has begun, or not all could
            be sent.
    """
    run, states = ledger.read(run_id)
    latest = ledger.latest()
    if run.as_of < latest:
        message = f"the run {run_id} is as of {run.as_of}, and a run as of {latest} has begun"
        raise UserError("results.older", message, "older results never replace newer ones")
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
