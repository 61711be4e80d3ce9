"""What an evaluation carries along: the names in sight, its budget, what it met."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tuppence.feel.budget import ERROR_STEPS, Budget, OutOfBudget, visit
from tuppence.feel.diagnostics import Diagnostic, Span

MAX_CALLS: Final = 100
"""How deep functions written in FEEL may call each other."""

Run = Callable[["Frame"], Any]


@dataclass(slots=True, kw_only=True)
class Session(Budget):
    """What one evaluation has used up and met so far, and the names that it began with."""

    names: Mapping[str, Any]
    calls: int = 0
    findings: dict[tuple[str, Span], Diagnostic] = field(default_factory=dict)

    shown: Budget | None = None

    def can_show(self, value: Any) -> bool:
        """Return whether a value is small enough to be recorded, beside those that are already."""
        self.shown = self.shown or Budget()
        try:
            visit(value, self.shown)
        except OutOfBudget:
            return False
        return True

    def report(self, code: str, span: Span, message: str) -> None:
        """Note an error; the same one at the same place only once.

        Raises:
            OutOfBudget: There were too many.
        """
        self.spend(ERROR_STEPS)
        self.findings.setdefault((code, span), Diagnostic(code, span, message))


class Frame:
    """The names of one scope, and the scope around it."""

    __slots__ = ("names", "parent", "session")

    def __init__(self, names: Mapping[str, Any], parent: "Frame | None", session: Session) -> None:
        self.names = names
        self.parent = parent
        self.session = session


class Constant:
    """A run whose value is known already."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, _: Frame) -> Any:
        """The value, whatever the frame."""
        return self.value


def truth(value: Any) -> bool | None:
    """The value if it is a boolean: everything else counts as null in logic."""
    return value if value is True or value is False else None


def elements(value: Any) -> list[Any]:
    """A list as it is, null as the empty list, anything else as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
