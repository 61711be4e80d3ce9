"""Watches the nightly run: has it ended by the time that was promised?"""

import datetime
from typing import NamedTuple

from tuppence.usecases.fleet.messages import FleetRun
from tuppence.usecases.fleet.ports import FleetLedger
from tuppence.usecases.fleet.progress import Progress, progress


class Night(NamedTuple):
    """The state of the run of everybody for a date.

    Attributes:
        progress: Its progress; None if none has begun.
        problem: The reason why the run is late; empty while it is in time, and once it has ended.
    """

    progress: Progress | None
    problem: str


def run_of(ledger: FleetLedger, now: datetime.datetime) -> FleetRun | None:
    """Return the run of everybody for a day as it stands; None if none has begun.

    Args:
        ledger: The ledger.
        now: Time in the time zone in which days begin at midnight.
    """
    name = ledger.night(now.date().isoformat())
    return None if name is None else ledger.read(name)[0]


def watch_night(
    ledger: FleetLedger, run: FleetRun | None, now: datetime.datetime, whole_by: datetime.time
) -> Night:
    """Return the state of the run of today.

    Args:
        ledger: The ledger.
        run: The run of today, see `run_of`.
        now: Time in the time zone in which days begin at midnight.
        whole_by: Time of the day from which a run that has not ended is late.
    """
    late = now.time() >= whole_by
    if run is None:
        return Night(None, f"no run as of {now.date()} has begun" if late else "")
    found = progress(run.run_id, ledger)
    return Night(found, _delay(found) if late and not found.ended else "")


def _delay(found: Progress) -> str:
    if not found.listed:
        return f"its customers are not all listed: {found.pages:,} pages so far"
    if found.unsplit:
        return f"{found.unsplit:,} of {found.pages:,} pages are not split"
    left = found.items - found.done - found.given_up
    return f"{left:,} of {found.items:,} items are not done"
