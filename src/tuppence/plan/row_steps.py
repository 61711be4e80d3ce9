"""Bounds the number of rows that the interpreter can certainly process within its budget.

Customers with more rows are left to the interpreter, so that both engines stop at the same ones.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tuppence.derived.context import ROW_FIELDS, row_fields
from tuppence.facts.schema import COLLECTIONS, CUSTOMER, TABLES
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
from tuppence.feel.rows import FastFilter, RowField, write_out
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

_CUSTOMER: Final = row_fields(CUSTOMER)
Fields = Mapping[str, RowField]
RowNames = Mapping[str, Fields]

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


def _steps_a_row(node: syntax.Node, rows: RowNames = ROW_FIELDS) -> int:
    """Return an upper bound on the steps that the interpreter takes for each row.

    Args:
        node: The expression.
        rows: The fields of those names that stand for rows.
    """
    own = 0
    match node:
        case syntax.Filter():
            steps = ELEMENT_STEPS + _once(node.predicate)
            fast = _fast_filter(node, rows)
            if fast is None:
                return 1 + steps + _steps_a_row(node.base, rows)
            outer = sum(_steps_a_row(value, rows) for value in fast.outer)
            return 1 + steps // ROWS_A_STEP + outer + _steps_a_row(node.base, rows)
        case syntax.For() | syntax.Quantified():
            own = ELEMENT_STEPS * len(node.iterators) + _once(node.body)
            return own + sum(_steps_a_row(i.source, rows) for i in node.iterators)
        case syntax.Path():
            own = 1 if _fields(node.base, rows) is not None else ELEMENT_STEPS
        case syntax.Call(function=syntax.FunctionDefinition() as called) if node.names is None:
            pairs = zip(called.parameters, node.arguments, called.kinds, strict=False)
            known = {name: _fields(value, rows) for name, value, kind in pairs if kind is None}
            inner = _without(rows, called) | {name: f for name, f in known.items() if f is not None}
            of_arguments = sum(_steps_a_row(argument, rows) for argument in node.arguments)
            return of_arguments + _steps_a_row(called.body, inner)
        case syntax.FunctionDefinition():
            return _steps_a_row(node.body, _without(rows, node))
        case syntax.Call(function=syntax.Name(name=name)) if name in BUILTINS:
            builtin = BUILTINS[name]
            own = _SORTING if name == "sort" else builtin.element_steps + 10 * builtin.spends
    return own + sum(_steps_a_row(child, rows) for child in syntax.children(node))


def _without(rows: RowNames, function: syntax.FunctionDefinition) -> dict[str, Fields]:
    """Return the names of rows that the parameters of a function do not hide."""
    return {name: fields for name, fields in rows.items() if name not in function.parameters}


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
                steps += ERROR_STEPS + 2 * _COMPARING * len(syntax.children(part))
            case syntax.Path():
                steps += ERROR_STEPS + PROPERTY_STEPS
            case syntax.Filter():
                steps += ELEMENT_STEPS + parts_steps(part.predicate)
            case syntax.For() | syntax.Quantified() | syntax.FunctionDefinition():
                steps += ELEMENT_STEPS + parts_steps(part.body)
    return steps


def _fields(node: syntax.Node, rows: RowNames) -> Fields | None:
    """Return the fields of rows that a comprehension certainly filters; None if it may not."""
    match node:
        case syntax.Name(name=name):
            return rows.get(name)
        case syntax.Filter():
            return None if _fast_filter(node, rows) is None else _fields(node.base, rows)
    return None


def _fast_filter(node: syntax.Filter, rows: RowNames) -> FastFilter | None:
    """Return the comprehension that certainly does the work of a filter; None if it may not."""
    fields = _fields(node.base, rows)
    fast = None if fields is None else write_out(node.predicate, fields)
    if fast is None:
        return None
    certain = [_classes(value, rows) for value in fast.outer]
    is_fast = all(own and own <= kinds for own, kinds in zip(certain, fast.kinds, strict=True))
    return fast if is_fast else None


def _classes(node: syntax.Node, rows: RowNames) -> frozenset[type]:
    """Return the classes that a value can have which cannot fail; none if that is not known."""
    constant = _kind(node)
    if constant is not None:
        return frozenset({constant})
    match node:
        case syntax.Path(base=syntax.Name(name="customer"), name=name) if name in _CUSTOMER:
            return frozenset({_CUSTOMER[name].kind, type(None)})
        case syntax.Call(
            function=syntax.Name(name="max" | "min"), arguments=(syntax.Path() as path,), names=None
        ):
            field = (_fields(path.base, rows) or {}).get(path.name)
            if field is not None and field.kind is Decimal and not field.nullable:
                return frozenset({Decimal, type(None)})
    return frozenset()


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
