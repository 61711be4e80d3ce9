"""The elements that for, some and every iterate over."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tuppence.feel import syntax
from tuppence.feel.budget import OutOfBudget
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.frames import Frame, Run, elements
from tuppence.feel.numbers import whole
from tuppence.feel.values import Date, Range

_MAX_COUNTED: Final = Decimal("1e34")


class Source(NamedTuple):
    """The source of a loop's elements.

    Attributes:
        name: Name of an element in the loop.
        source: Evaluates the list, or the first of the numbers or days to count.
        until: Evaluates the last number or day to count.
        steps: Steps for each element, with all parts that run for it except inner loops.
    """

    name: str
    source: Run
    until: Run | None
    steps: int


def ends_of(binding: syntax.Binding) -> list[syntax.Node]:
    """Return the expressions of a loop's source: a list, or the two ends to count between."""
    return [binding.source, *([] if binding.until is None else [binding.until])]


def scopes(sources: list[Source], frame: Frame, *, whole: bool = False) -> Iterator[Frame]:
    """Yield a frame for each combination of the sources' elements; the last source varies fastest.

    Args:
        sources: The sources; each may use the names of earlier ones.
        frame: Frame of the loop itself.
        whole: Whether all elements will be visited, so that a range can be refused as too long.

    Raises:
        FeelError: A source is null, or is a range whose elements cannot be counted.
        OutOfBudget: The elements take more steps than are left.
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
        raise FeelError("feel.null-operand", f"the list of {first.name} is null")
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
    """Return the whole numbers or days from one to another, upwards or downwards."""
    if type(low) is not type(high) or type(low) not in {Decimal, Date}:
        raise FeelError("feel.operand-type", "only whole numbers and dates can be counted")
    is_date = type(low) is Date
    if not is_date and abs(low) >= _MAX_COUNTED:
        raise FeelError("feel.operand-type", "numbers of more than 34 digits cannot be counted")
    start, end = (value[0] if is_date else whole(value) for value in (low, high))
    step = 1 if start <= end else -1
    return (Date(n) if is_date else Decimal(n) for n in range(start, end + step, step))
