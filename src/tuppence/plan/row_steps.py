"""How many rows the interpreter surely goes through within its budget.

A customer with more rows is left to it, so that both engines stop at the same customers.
"""

from typing import Final

from tuppence.feel import syntax
from tuppence.feel.budget import (
    CALL_STEPS,
    ELEMENT_STEPS,
    PROPERTY_STEPS,
    STEPS,
    TEXT_A_STEP,
    parts_steps,
)
from tuppence.feel.library import BUILTINS
from tuppence.plan.columns import MOST_ROWS
from tuppence.rules.checking import CheckedRule

_ONCE: Final = STEPS // 10
"""Left for what is done once for a customer."""

_LONGEST_TEXT: Final = 320
"""Characters of a text of a bank that are counted with."""

_SEARCH: Final = 500
"""Steps for a regular expression in such a text; one that costs more is stopped earlier."""

_SORTING: Final = 300
"""Steps for each element that is put in order, with as many as there may be."""


def most_rows(checked: CheckedRule) -> int:
    """Return the count of rows with which each expression of a rule surely stays in its budget."""
    heaviest = max(steps_a_row(tree) for tree in checked.trees.values())
    return min(MOST_ROWS, (STEPS - _ONCE) // (heaviest + 1))


def steps_a_row(node: syntax.Node) -> int:
    """Return at most how many steps the interpreter takes for each row."""
    match node:
        case syntax.Literal() | syntax.Name():
            return 0
        case syntax.Filter():
            return ELEMENT_STEPS + _each(node.predicate) + steps_a_row(node.base)
        case syntax.For() | syntax.Quantified():
            sources = sum(steps_a_row(i.source) for i in node.iterators)
            return ELEMENT_STEPS * len(node.iterators) + sources + _each(node.body)
        case syntax.Call():
            return _listed(node) + sum(map(steps_a_row, syntax.children(node)))
    return ELEMENT_STEPS + sum(map(steps_a_row, syntax.children(node)))


def _listed(call: syntax.Call) -> int:
    """What a function takes for each element of a list."""
    builtin = BUILTINS.get(call.function.name) if isinstance(call.function, syntax.Name) else None
    if builtin is None:
        return ELEMENT_STEPS
    return _SORTING if builtin.name == "sort" else builtin.element_steps + 10 * builtin.spends + 1


def _each(node: syntax.Node) -> int:
    """What a part that runs for each row takes, with all that its operators and functions do."""
    steps = 0
    for part in syntax.walk(node):
        steps += parts_steps(part) if isinstance(part, syntax.FunctionDefinition) else 0
        match part:
            case syntax.Call(function=syntax.Name(name="matches" | "replace" | "split")):
                steps += _SEARCH
            case syntax.Call(function=syntax.Name(name=name)) if name in BUILTINS:
                builtin = BUILTINS[name]
                text = _LONGEST_TEXT // TEXT_A_STEP
                steps += builtin.steps + (builtin.element_steps + 1) * text + 10 * builtin.spends
            case syntax.Call():
                steps += CALL_STEPS
            case syntax.Arithmetic() | syntax.Comparison() | syntax.In() | syntax.Between():
                steps += 2 * _LONGEST_TEXT // TEXT_A_STEP
            case syntax.Path():
                steps += PROPERTY_STEPS
            case syntax.Filter() | syntax.For() | syntax.Quantified():
                steps += ELEMENT_STEPS
    return steps + sum(map(parts_steps, _run_inside(node)))


def _run_inside(node: syntax.Node) -> list[syntax.Node]:
    """The part, and the bodies of loops and functions in it."""
    bodies = [node]
    for part in syntax.walk(node):
        match part:
            case syntax.Filter():
                bodies.append(part.predicate)
            case syntax.For() | syntax.Quantified() | syntax.FunctionDefinition():
                bodies.append(part.body)
    return bodies
