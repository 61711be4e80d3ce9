"""What for, some and every go through."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.feel import syntax
from tuppence.feel.budget import OutOfBudget
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.frames import Frame, Run, elements
from tuppence.feel.numbers import whole
from tuppence.feel.values import Date, Range

_UNCOUNTED: Final = Decimal("1e34")


class Source(NamedTuple):
    """Where a loop takes its elements from.

    Attributes:
        name: What the loop calls an element.
        source: Gives the elements, or the first of the numbers or days to count.
        until: Gives the last of them.
        steps: What each element costs, with all that runs for it but inner loops.
    """

    name: str
    source: Run
    until: Run | None
    steps: int


def ends_of(binding: syntax.Binding) -> list[syntax.Node]:
    """What a loop goes through: a list, or the two ends of what it counts."""
    return [binding.source, *([] if binding.until is None else [binding.until])]


def scopes(sources: list[Source], frame: Frame, *, whole: bool = False) -> Iterator[Frame]:
    """A frame for each combination of the sources' elements, the last source fastest.

    Args:
        sources: Each may use the names of those before it.
        frame: What is around the loop.
        whole: All of them will be visited, so that a range too long is known at once.

    Raises:
        FeelError: A source is null, or a range whose elements cannot be counted.
    """
    first, *others = sources
    value = first.source(frame)
    if first.until is not None:
        until = first.until(frame)
        items = _counted(value, until)
        if whole and type(value) is Decimal:
            enough = Decimal(frame.session.steps // first.steps)
            if value - enough > until or value + enough < until:
                raise OutOfBudget
    elif isinstance(value, Range):
        items = _counted(value.low, value.high)
        low, high = value.low_closed, value.high_closed
        items = (i for i in items if (low or i != value.low) and (high or i != value.high))
    elif value is None:
        raise FeelError("feel.null-operand", f"{first.name} has nothing to go through: it is null")
    else:
        items = iter(elements(value))
    for item in items:
        frame.session.spend(first.steps)
        scope = Frame({first.name: item}, frame, frame.session)
        if others:
            yield from scopes(others, scope, whole=whole)
        else:
            yield scope


def _counted(low: Any, high: Any) -> Iterator[Any]:
    """The whole numbers or the days from one to another, downwards where that is the way."""
    if type(low) is not type(high) or type(low) not in {Decimal, Date}:
        raise FeelError("feel.operand-type", "only whole numbers and dates can be counted")
    is_date = type(low) is Date
    if not is_date and abs(low) >= _UNCOUNTED:
        raise FeelError("feel.operand-type", "numbers of over 34 digits cannot be counted")
    start, end = (value[0] if is_date else whole(value) for value in (low, high))
    step = 1 if start <= end else -1
    return (Date(n) if is_date else Decimal(n) for n in range(start, end + step, step))
