"""Does a part of a run again whose store is busy or cannot be reached for a while."""

from typing import Final

import msgspec
import stamina

from tuppence.errors import TransientError
from tuppence.usecases.ledger import Tally, WorkItem
from tuppence.usecases.part_night import DoPart, PartProblem

_TRIES: Final = 5
_FIRST_PAUSE: Final = 1.0
"""Seconds before the second try; each further pause is twice as long, and all have jitter."""
_LONGEST_PAUSE: Final = 30.0


class PatientPart(msgspec.Struct, frozen=True):
    """Does a part, and tries again what may succeed later; it can be pickled.

    Attributes:
        do: Does the part.
    """

    do: DoPart

    def __call__(self, part: WorkItem) -> Tally | PartProblem:
        """Do a part.

        Raises:
            TransientError: No try has succeeded.
        """
        for attempt in stamina.retry_context(
            on=TransientError,
            attempts=_TRIES,
            timeout=None,
            wait_initial=_FIRST_PAUSE,
            wait_max=_LONGEST_PAUSE,
        ):
            with attempt:
                return self.do(part)
        raise AssertionError("a try returns or raises")
