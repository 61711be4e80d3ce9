"""Finds the thresholds of a rule's condition, and makes rules with others in their place."""

import dataclasses
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Final, NamedTuple

from tuppence.feel import syntax
from tuppence.feel.diagnostics import Span
from tuppence.rules.checking import CheckedRule

FACTORS: Final = tuple(map(Decimal, ("0.5", "0.75", "0.9", "1", "1.1", "1.25", "1.5", "2")))
"""Factors that a threshold is multiplied by."""
_ROUGH: Final = Context(prec=3)
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})


class Threshold(NamedTuple):
    """A number that a condition compares something with.

    Attributes:
        span: Its place in the text of the condition.
        value: The number.
        clause: Place of the comparison.
    """

    span: Span
    value: Decimal
    clause: Span


def thresholds(checked: CheckedRule) -> tuple[Threshold, ...]:
    """Return the thresholds of a rule's condition in their order, except those inside filters."""
    return tuple(_thresholds(checked.trees["when",]))


def _thresholds(node: syntax.Node) -> Iterator[Threshold]:
    match node:
        case syntax.Logic(left=left, right=right):
            yield from _thresholds(left)
            yield from _thresholds(right)
        case syntax.Comparison(operator=operator, left=left, right=right) if operator in _ORDERS:
            for side in (left, right):
                number = side.value if isinstance(side, syntax.Literal) else None
                if isinstance(number, Decimal) and number:
                    yield Threshold(side.span, number, node.span)


def with_threshold(checked: CheckedRule, threshold: Threshold) -> dict[Decimal, CheckedRule]:
    """Return copies of a rule by the number that stands in place of a threshold, in order.

    In place of a whole number there are whole numbers, because it may be about a count.
    """
    found: dict[Decimal, CheckedRule] = {}
    value = threshold.value
    numbers = {_ROUGH.multiply(value, factor) for factor in FACTORS}
    if value == value.to_integral_value():
        numbers = {number.to_integral_value() for number in numbers} - {Decimal(0)}
    for number in sorted(numbers | {value}):
        tree = _replaced(checked.trees["when",], threshold.span, number)
        found[number] = dataclasses.replace(checked, trees={**checked.trees, ("when",): tree})
    return found


def _replaced(tree: syntax.Node, span: Span, number: Decimal) -> syntax.Node:
    def change(node: syntax.Node) -> syntax.Node:
        if isinstance(node, syntax.Literal) and node.span == span:
            return dataclasses.replace(node, value=number)
        return node

    return syntax.transform(tree, change)
