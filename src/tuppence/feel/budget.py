"""The budget of an evaluation in steps, which stand for both time and memory.

A step is about a fifth of a microsecond, or 64 bytes. All work of an expression is paid for in
steps, in proportion and in advance: parts of an expression by their kind and each time they run,
calls of functions by the size of arguments and results, comparisons and texts by all values that
they visit. Steps are counted rather than time, so that an evaluation ends in the same way on every
machine.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tuppence.feel import syntax
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.values import Range

STEPS: Final = 500_000
"""Maximum number of steps of one evaluation."""

CALL_STEPS: Final = 10
"""Steps for calling a built-in function, besides those for its arguments and its result."""

ELEMENT_STEPS: Final = 3
"""Steps for each element of a loop or filter, besides those of the parts that run for it."""

ERROR_STEPS: Final = 15
"""Steps for an error inside an evaluation, which becomes null and a diagnostic."""

PROPERTY_STEPS: Final = 6
"""Steps for a property of a date, a duration or a range."""

ROWS_A_STEP: Final = 32
"""Number of rows for which one part of a condition over facts takes a step."""

TEXT_A_STEP: Final = 16
"""Number of characters that take a step: up to 64 bytes."""

COMPARISON_STEPS: Final = 5
"""Steps for comparing two values, and for each pair of their elements or entries."""

COMPARED_A_STEP: Final = 512
"""Number of characters of two texts that are compared in a step."""

MAX_TEXT: Final = 1_000_000
"""Maximum number of characters of a text."""

MAX_NESTING: Final = 100
"""Maximum nesting depth of lists and contexts that are compared, written or returned."""

_GROUPS: Final = (list, dict)  # isinstance is slower with a union
_PARTS: Final[dict[type[syntax.Node], int]] = {
    syntax.Arithmetic: 3,
    syntax.Negation: 3,
    syntax.Between: 4,
    syntax.Call: 3,
    syntax.Comparison: 3,
    syntax.ContextLiteral: 8,
    syntax.Filter: 10,
    syntax.For: 10,
    syntax.FunctionDefinition: 20,
    syntax.In: 6,
    syntax.InstanceOf: 3,
    syntax.ListLiteral: 4,
    syntax.Path: 3,
    syntax.Quantified: 10,
    syntax.RangeLiteral: 8,
}


class OutOfBudget(Exception):  # noqa: N818 - a signal inside the language, never seen outside
    """Raised when an evaluation takes more steps than it may."""


@dataclass(slots=True)
class Budget:
    """The remaining steps of an evaluation.

    Attributes:
        steps: Number of steps that are left.
        patterns: Regular expressions that have been paid for; each is compiled once.
    """

    steps: int = STEPS
    patterns: set[object] = field(default_factory=set)

    def spend(self, steps: int) -> None:
        """Use up steps.

        Raises:
            OutOfBudget: Fewer steps are left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OutOfBudget


def extent(value: Any) -> int:
    """Return the steps for one pass over a value, without the values in it."""
    if isinstance(value, _GROUPS):
        return len(value)
    return len(value) // TEXT_A_STEP if type(value) is str else 0


def comparison_steps(value: Any) -> int:
    """Return the steps for comparing a value with another, without the values in it."""
    return COMPARISON_STEPS + (len(value) // COMPARED_A_STEP if type(value) is str else 0)


def short(length: int) -> None:
    """Check the length of a text before it is created.

    Raises:
        FeelError: The text would be longer than allowed.
    """
    if length > MAX_TEXT:
        raise FeelError("feel.budget", f"a text of more than {MAX_TEXT:,} characters")


def parts_steps(node: syntax.Node) -> int:
    """Return the steps for running an expression once, without the bodies of loops in it."""
    steps = 0
    waiting = [node]
    while waiting:
        part = waiting.pop()
        steps += _PARTS.get(type(part), 1)
        waiting.extend(_outside_of_loops(part))
    return steps


def _outside_of_loops(node: syntax.Node) -> list[syntax.Node]:
    """Return the parts that run as often as the node itself."""
    match node:
        case syntax.For() | syntax.Quantified():
            first = node.iterators[0]
            return [first.source, *([] if first.until is None else [first.until])]
        case syntax.Filter():
            return [node.base]
        case syntax.FunctionDefinition():
            return []
    return syntax.children(node)


def visit(value: Any, budget: Budget, depth: int = 0) -> None:
    """Pay for a value and everything in it, as for writing it out.

    Raises:
        OutOfBudget: The value is larger than the remaining budget, or nested too deeply.
    """
    kind = type(value)
    if value is None or kind is bool:
        budget.spend(4)
    elif kind is Decimal:
        budget.spend(6 + abs(value.adjusted()) // TEXT_A_STEP)
    elif kind is str:
        budget.spend(5 + len(value) // TEXT_A_STEP)
    elif isinstance(value, _GROUPS):
        nest(depth)
        budget.spend(8)
        for item in value.values() if isinstance(value, dict) else value:
            visit(item, budget, depth + 1)
        if isinstance(value, dict):
            for name in value:
                budget.spend(5 + len(name) // TEXT_A_STEP)
    else:
        budget.spend(15)
        if isinstance(value, Range):
            nest(depth)
            visit(value.low, budget, depth + 1)
            visit(value.high, budget, depth + 1)


def nest(depth: int) -> None:
    """Check the nesting depth of a value.

    Raises:
        OutOfBudget: Lists and contexts are nested too deeply.
    """
    if depth > MAX_NESTING:
        raise OutOfBudget
