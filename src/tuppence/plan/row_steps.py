"""Bounds the number of rows that the interpreter can certainly process within its budget.

Customers with more rows are left to the interpreter, so that both engines stop at the same ones.
"""

from collections.abc import Mapping
from typing import Final

from tuppence.derived.context import ROW_FIELDS
from tuppence.facts.schema import COLLECTIONS, TABLES
from tuppence.feel import syntax
from tuppence.feel.budget import (
    CALL_STEPS,
    COMPARISON_STEPS,
    ELEMENT_STEPS,
    ERROR_STEPS,
    PROPERTY_STEPS,
    ROWS_A_STEP,
    STEPS,
    TEXT_A_STEP,
    parts_steps,
)
from tuppence.feel.library import BUILTINS
from tuppence.feel.rows import RowField, write_out
from tuppence.feel.values import Date, DaysDuration, YearsDuration
from tuppence.plan.columns import MAX_ROWS
from tuppence.rules.checking import CheckedRule

_ONCE: Final = STEPS // 10
"""Steps reserved for work done once for a customer."""

_TEXT: Final = 320 // TEXT_A_STEP
"""Steps for one pass over the longest text that a bank is expected to send."""

_SEARCH: Final = 500
"""Steps for matching a regular expression in such a text."""

_SORTING: Final = 300
"""Steps for each element of the longest list that is sorted."""

_COMPARING: Final = COMPARISON_STEPS + 1
_CALCULATING: Final[Mapping[str, int]] = {"+": 2 * _TEXT, "-": 20, "*": 20, "/": 20, "**": 300}
_DURATIONS: Final = (DaysDuration, YearsDuration)


def max_rows(checked: CheckedRule) -> int:
    """Return the number of rows up to which every expression of a rule stays in its budget."""
    heaviest = max(_steps_a_row(tree) for tree in checked.trees.values())
    return min(MAX_ROWS, (STEPS - _ONCE) // (heaviest + 1))


def table_bits(checked: CheckedRule) -> int:
    """Return the tables whose rows the interpreter may process for a rule, one bit each.

    The bits are those of `TABLES` in their order.
    """
    parts = (part for tree in checked.trees.values() for part in syntax.walk(tree))
    names = {part.name for part in parts if isinstance(part, syntax.Name)}
    read = {COLLECTIONS[name].table for name in names & COLLECTIONS.keys()}
    return sum(1 << bit for bit, table in enumerate(TABLES) if table in read)


def _steps_a_row(node: syntax.Node) -> int:
    """Return an upper bound on the steps that the interpreter takes for each row."""
    own = 0
    match node:
        case syntax.Filter():
            steps = ELEMENT_STEPS + _once(node.predicate)
            is_fast = _fields(node) is not None
            return 1 + steps // (ROWS_A_STEP if is_fast else 1) + _steps_a_row(node.base)
        case syntax.For() | syntax.Quantified():
            own = ELEMENT_STEPS * len(node.iterators) + _once(node.body)
            return own + sum(_steps_a_row(i.source) for i in node.iterators)
        case syntax.Path():
            own = 1 if _fields(node.base) is not None else ELEMENT_STEPS
        case syntax.Call(function=syntax.Name(name=name)) if name in BUILTINS:
            builtin = BUILTINS[name]
            own = _SORTING if name == "sort" else builtin.element_steps + 10 * builtin.spends
    return own + sum(map(_steps_a_row, syntax.children(node)))


def _once(node: syntax.Node) -> int:
    """Return the steps that an expression takes each time it runs."""
    if _kind(node) is not None:
        return 1
    steps = parts_steps(node)
    for part in syntax.walk(node):
        match part:
            case syntax.Call(function=syntax.Name(name="matches" | "replace" | "split")):
                steps += _SEARCH
            case syntax.Call(function=syntax.Name(name=name)) if name in BUILTINS:
                builtin = BUILTINS[name]
                steps += builtin.steps + (builtin.element_steps + 1) * _TEXT + 10 * builtin.spends
                steps += ERROR_STEPS + CALL_STEPS * len(builtin.forms)
            case syntax.Call():
                steps += CALL_STEPS
            case syntax.Arithmetic():
                steps += 0 if _kind(part) else ERROR_STEPS + _CALCULATING[part.operator]
            case syntax.Comparison():
                steps += ERROR_STEPS + _COMPARING
            case syntax.Between() | syntax.In():
                steps += ERROR_STEPS + 2 * _COMPARING * len(list(syntax.children(part)))
            case syntax.Path():
                steps += ERROR_STEPS + PROPERTY_STEPS
            case syntax.Filter():
                steps += ELEMENT_STEPS + parts_steps(part.predicate)
            case syntax.For() | syntax.Quantified() | syntax.FunctionDefinition():
                steps += ELEMENT_STEPS + parts_steps(part.body)
    return steps


def _fields(node: syntax.Node) -> Mapping[str, RowField] | None:
    """Return the fields of rows that a comprehension certainly filters; None if it may not."""
    match node:
        case syntax.Name(name=name):
            return ROW_FIELDS.get(name)
        case syntax.Filter():
            fields = _fields(node.base)
            fast = None if fields is None else write_out(node.predicate, fields)
            if fast is not None and [_kind(value) for value in fast.outer] == list(fast.kinds):
                return fields
    return None


def _kind(node: syntax.Node) -> type | None:
    """Return the class of a value that is computed beforehand and cannot fail, else None."""
    match node:
        case syntax.Literal():
            return type(node.value)
        case syntax.Call(function=syntax.Name(name="today"), arguments=()):
            return Date
        case syntax.Arithmetic(operator="+" | "-", right=syntax.Literal(value=value)):
            return Date if _kind(node.left) is Date and isinstance(value, _DURATIONS) else None
    return None
