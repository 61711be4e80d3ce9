"""The state of an evaluation: visible names, budget and diagnostics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tuppence.feel.budget import ERROR_STEPS, Budget, OutOfBudget, visit
from tuppence.feel.diagnostics import Diagnostic, Span

MAX_CALLS: Final = 100
"""Maximum depth of calls of functions written in FEEL."""

Run = Callable[["Frame"], Any]


@dataclass(slots=True, kw_only=True)
class Session(Budget):
    """The remaining budget, the diagnostics and the outermost names of one evaluation."""

    names: Mapping[str, Any]
    calls: int = 0
    findings: dict[tuple[str, Span], Diagnostic] = field(default_factory=dict)

    shown: Budget | None = None

    def can_show(self, value: Any) -> bool:
        """Return whether a value is small enough to be recorded besides earlier ones."""
        self.shown = self.shown or Budget()
        try:
            visit(value, self.shown)
        except OutOfBudget:
            return False
        return True

    def report(self, code: str, span: Span, message: str) -> None:
        """Record an error, once for each code and place.

        Raises:
            OutOfBudget: There were too many errors.
        """
        self.spend(ERROR_STEPS)
        self.findings.setdefault((code, span), Diagnostic(code, span, message))


class Frame:
    """The names of one scope, and the enclosing scope."""

    __slots__ = ("names", "parent", "session")

    def __init__(self, names: Mapping[str, Any], parent: "Frame | None", session: Session) -> None:
        self.names = names
        self.parent = parent
        self.session = session


class Constant:
    """A compiled expression whose value is already known."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, _: Frame) -> Any:
        """Return the value, in any frame."""
        return self.value


def truth(value: Any) -> bool | None:
    """Return the value if it is a boolean, else None: other values count as null in logic."""
    return value if value is True or value is False else None


def elements(value: Any) -> list[Any]:
    """Return a list unchanged, an empty list for null, and other values in a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
