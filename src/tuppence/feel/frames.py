"""What an evaluation carries along: the names in sight, its budget, what it met."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tuppence.feel.diagnostics import Diagnostic, Span

STEPS: Final = 1_000_000
"""What one evaluation may spend before it is stopped: a step for each element it visits."""

CALL_STEPS: Final = 10
"""What calling a built-in function costs, beside the elements it is given."""

ROWS_A_STEP: Final = 8
"""Facts are filtered so fast that so many of them cost a step."""

MAXIMUM_CALLS: Final = 100
"""How deep functions written in FEEL may call each other."""

Run = Callable[["Frame"], Any]


@dataclass(slots=True)
class Session:
    """What one evaluation has used up and met so far, and the names that it began with."""

    names: Mapping[str, Any]
    steps: int = STEPS
    calls: int = 0
    findings: dict[tuple[str, Span], Diagnostic] = field(default_factory=dict)

    def report(self, code: str, span: Span, message: str) -> None:
        """Note an error; the same one at the same place only once."""
        self.findings.setdefault((code, span), Diagnostic(code, span, message))

    def spend(self, steps: int) -> None:
        """Count visited elements.

        Raises:
            OutOfBudget: There were too many.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OutOfBudget


class OutOfBudget(Exception):  # noqa: N818 - a signal inside this module, never seen outside
    """The evaluation took more steps than it may."""


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
