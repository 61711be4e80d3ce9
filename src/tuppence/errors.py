"""The base classes of all errors that Tuppence raises deliberately.

A `UserError` can be corrected by a person. It is shown as one plain sentence with a stable code and
often a hint. Any other exception that is not caught is a bug and is shown as a traceback.
"""

from collections.abc import Iterable
from typing import Final, Self

RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""HTTP statuses after which the same request may be sent again."""


class TuppenceError(Exception):
    """Base class of all errors that are raised deliberately."""


class UserError(TuppenceError):
    """Raised for a problem that a person can correct.

    Args:
        code: Stable identifier, `area.problem`, which scripts may rely on.
        message: One sentence that says what is wrong and where.
        hint: Advice on what to do, or empty.
        details: Further lines, such as the findings of a check, shown above the message.
        exit_status: Exit status of the program.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        details: Iterable[str] = (),
        exit_status: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = tuple(details)
        self.exit_status = exit_status

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """Support pickling, so that other processes can return the error."""
        return type(self), (self.code, self.message, self.hint, self.details, self.exit_status)


class TransientError(UserError):
    """Raised for a problem that may be gone when the same is tried again a little later."""
