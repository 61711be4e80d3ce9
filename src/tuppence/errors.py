"""The one root of every error that Tuppence raises on purpose.

A `UserError` is something a person caused and can mend: it is shown as one plain sentence with a
stable code and, where there is one, a hint. Anything else that escapes is a bug and is shown as a
traceback.
"""

from collections.abc import Iterable


class TuppenceError(Exception):
    """Root of all errors raised on purpose."""


class UserError(TuppenceError):
    """Something a person can mend.

    Args:
        code: Stable identifier, `area.problem`, safe to match on in scripts.
        message: One sentence: what is wrong and where.
        hint: What to do about it; empty where the message says it all.
        details: Further lines, such as the findings of a check, shown above the message.
        exit_status: What the program ends with.
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

    def __reduce__(self) -> tuple[type["UserError"], tuple[object, ...]]:
        """So that it can come from another process as it is."""
        return UserError, (self.code, self.message, self.hint, self.details, self.exit_status)
