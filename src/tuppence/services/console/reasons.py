"""The reasons that people give before they see the data of a customer."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tuppence.errors import UserError
from tuppence.usecases.team import Person

REASONS: Final = (
    "a question of the customer",
    "a complaint",
    "a request for their data",
    "a rule to be checked",
    "a fault",
)
"""Reasons to see a customer's data: a choice, so that nobody writes personal data into the log."""
LASTS: Final = 30 * 60 * 1_000
"""Milliseconds for which a reason holds."""
MAX_KEPT: Final = 10_000
"""Maximum number of reasons that are remembered."""
_CASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.-]{0,39}")


class Reasons:
    """The reasons that hold; each is for one person and one customer.

    Args:
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._given: OrderedDict[tuple[str, str, str], tuple[int, str]] = OrderedDict()

    def keep(self, person: Person, customer: str, said: str) -> None:
        """Remember a reason that follows from what a person has done."""
        with self._lock:
            self._given[_key(person, customer)] = self._clock() + LASTS, said
            self._given.move_to_end(_key(person, customer))
            while len(self._given) > MAX_KEPT:
                self._given.popitem(last=False)

    def give(self, person: Person, customer: str, reason: str, case: str) -> None:
        """Remember a reason.

        Args:
            person: The person who wants to see the customer's data.
            customer: The customer.
            reason: One of `REASONS`.
            case: Number of a case, or empty.

        Raises:
            UserError: There is no such reason, or the case is no number of one.
        """
        if reason not in REASONS:
            raise UserError("reason.missing", "choose the reason why you need to see this customer")
        if case and not (_CASE.fullmatch(case) and any(sign.isdigit() for sign in case)):
            message = "the case needs a number such as CASE-1234, and has no names or blanks"
            raise UserError("reason.case", message, "leave it empty if there is none")
        self.keep(person, customer, f"{reason} ({case})" if case else reason)

    def of(self, person: Person, customer: str) -> str | None:
        """Return the reason that a person has given for a customer; None if none holds."""
        with self._lock:
            until, said = self._given.get(_key(person, customer), (0, ""))
        return said if self._clock() < until else None


def _key(person: Person, customer: str) -> tuple[str, str, str]:
    return person.issuer, person.subject, customer
