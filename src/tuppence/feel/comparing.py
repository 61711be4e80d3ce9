"""Comparisons with a constant by the shortest way: the commonest thing in a filter."""

from typing import Any

from tuppence.feel.frames import Frame, Run
from tuppence.feel.operators import ORDERINGS


def with_constant(name: str, left: Run, symbol: str, constant: Any, general: Run) -> Run:
    """A comparison with a constant, the commonest thing in a filter, by the shortest way.

    Where the left side is a name it is mostly one of the innermost scope: a field of the element.
    """
    kind = type(constant)
    if symbol in ORDERINGS:
        ordering = ORDERINGS[symbol]

        def ordered(frame: Frame) -> Any:
            names = frame.names
            value = names[name] if name in names else left(frame)
            return ordering(value, constant) if type(value) is kind else general(frame)

        return ordered
    wanted = symbol == "="

    def same(frame: Frame) -> Any:
        names = frame.names
        value = names[name] if name in names else left(frame)
        if type(value) is kind:
            return (value == constant) is wanted
        return not wanted if value is None else general(frame)

    return same
