"""Fast comparisons with constants, which are the most frequent operation in filters."""

from typing import Any

from tuppence.feel.frames import Frame, Run
from tuppence.feel.operators import ORDERINGS


def with_constant(name: str, left: Run, symbol: str, constant: Any, general: Run) -> Run:
    """Compile a comparison with a constant.

    Args:
        name: Name on the left side, which is usually in the innermost scope, or empty.
        left: Evaluates the left side.
        symbol: The operator.
        constant: The right side.
        general: Compares values of any types.
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
