"""Watches the nightly run: has it ended by the time that was promised?"""

import datetime
from typing import NamedTuple

from tuppence.usecases.fleet.messages import FleetRun
from tuppence.usecases.fleet.ports import FleetLedger
from tuppence.usecases.fleet.progress import Progress, progress


class Night(NamedTuple):
    """The state of the run of everybody for a date.

    Attributes:
        run: The run as it stands; None if none has begun.
        progress: Its progress; None if none has begun.
        problem: Why the run is late; empty while it is in time, and once it has ended.
    """

    run: FleetRun | None
    progress: Progress | None
    problem: str


def watch_night(ledger: FleetLedger, now: datetime.datetime, whole_by: datetime.time) -> Night:
    """Return the state of the run of today.

    Args:
        ledger: The ledger.
        now: In the time zone in which days begin at midnight.
        whole_by: Time of the day from which a run that has not ended is late.
    """
    as_of = now.date().isoformat()
    late = now.time() >= whole_by
    name = ledger.night(as_of)
    if name is None:
        return Night(None, None, f"no run as of {as_of} has begun" if late else "")
    run, _ = ledger.read(name)
    found = progress(name, ledger)
    return Night(run, found, _delay(found) if late and not found.ended else "")


def _delay(found: Progress) -> str:
    if not found.listed:
        return f"its customers are not all listed: {found.pages:,} pages so far"
    if found.unsplit:
        return f"{found.unsplit:,} of {found.pages:,} pages are not split"
    left = found.items - found.done - found.given_up
    return f"{left:,} of {found.items:,} items are not done"
