"""What an evaluation may spend: steps, which stand for time and for memory alike.

A step is what takes about a fifth of a microsecond, or what fills 64 bytes. Whatever an expression
does is paid for in steps, in proportion to its work and before the work is done: the parts of an
expression by their kind and as often as they run, calls of functions by what they are given and
what they make, comparisons and texts by all that they visit. Steps are counted, never time, so that
an evaluation ends in the same way on every machine.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tuppence.feel import syntax
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.values import Range

STEPS: Final = 500_000
"""What one evaluation may spend before it is stopped."""

CALL_STEPS: Final = 10
"""What calling a built-in function costs, beside what it is given and what it makes."""

ELEMENT_STEPS: Final = 3
"""What a loop or a filter costs for each element, beside the parts that run for it."""

ERROR_STEPS: Final = 15
"""What an error inside an evaluation costs, which becomes null and a diagnostic."""

PROPERTY_STEPS: Final = 6
"""What a property of a date, a duration or a range costs."""

ROWS_A_STEP: Final = 32
"""Facts are filtered so fast that one part of a condition costs a step for this many rows."""

TEXT_A_STEP: Final = 16
"""Characters of a text that cost a step: 64 bytes where they are rare ones."""

COMPARISON_STEPS: Final = 5
"""What comparing two values costs, and two of their elements or entries."""

COMPARED_A_STEP: Final = 512
"""Characters of two texts that are compared in a step."""

MAX_TEXT: Final = 1_000_000
"""The most characters of a text."""

MAX_NESTING: Final = 100
"""How deep lists and contexts may lie in each other to be compared, written or returned."""

_GROUPS: Final = (list, dict)  # a union would be slower to ask for
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
    """The evaluation took more steps than it may."""


@dataclass(slots=True)
class Budget:
    """The steps that are left of an evaluation.

    Attributes:
        steps: How many.
        patterns: Regular expressions that are paid for; each is made ready once.
    """

    steps: int = STEPS
    patterns: set[object] = field(default_factory=set)

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            OutOfBudget: Fewer are left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OutOfBudget


def extent(value: Any) -> int:
    """Return the steps for going once over a value, without the values in it."""
    if isinstance(value, _GROUPS):
        return len(value)
    return len(value) // TEXT_A_STEP if type(value) is str else 0


def comparison_steps(value: Any) -> int:
    """Return the steps for comparing a value with another, without the values in it."""
    return COMPARISON_STEPS + (len(value) // COMPARED_A_STEP if type(value) is str else 0)


def short(length: int) -> None:
    """Refuse a text before it is made.

    Raises:
        FeelError: It would have more characters than a text may.
    """
    if length > MAX_TEXT:
        raise FeelError("feel.budget", f"a text of over {MAX_TEXT:,} characters")


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
    """The parts that run as often as the node itself."""
    match node:
        case syntax.For() | syntax.Quantified():
            first = node.iterators[0]
            return [first.source, *([] if first.until is None else [first.until])]
        case syntax.Filter():
            return [node.base]
        case syntax.FunctionDefinition():
            return []
    return list(syntax.children(node))


def visit(value: Any, budget: Budget, depth: int = 0) -> None:
    """Pay for a value with everything in it, as often as it is in it, as for writing it out.

    Raises:
        OutOfBudget: It is larger than what is left, or nested deeper than values may be.
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
    """Refuse to go deeper into a value.

    Raises:
        OutOfBudget: Lists and contexts lie in each other deeper than they may.
    """
    if depth > MAX_NESTING:
        raise OutOfBudget
