"""`list[condition]` and `list[position]` (DMN 1.5, 10.3.2.5)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tuppence.feel.diagnostics import Span
from tuppence.feel.frames import Frame, Run, elements
from tuppence.feel.numbers import whole
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import type_name

RowsFilter = Callable[[Rows, Frame], Rows | None]
"""Filters all rows at once; returns None if only the interpreter can decide for these values."""


def make_filter(
    base: Run,
    predicate: Run,
    span: Span,
    *,
    steps: int,
    names_item: bool,
    is_position: bool,
    write_out: Callable[[Mapping[str, RowField]], RowsFilter],
) -> Run:
    """Compile a filter.

    Args:
        base: Evaluates the list.
        predicate: Evaluates the condition, or the position, for each element.
        span: Place of the predicate.
        steps: Steps for each element, including those of the predicate.
        names_item: Whether the predicate uses the name `item`.
        is_position: Whether the predicate is certainly a number, so that an empty list gives null.
        write_out: Makes the fast filter for rows with given fields.
    """
    written: dict[int, tuple[Mapping[str, RowField], RowsFilter]] = {}

    def scoped(item: Any, frame: Frame) -> Frame:
        if names_item:
            frame = Frame({"item": item}, frame, frame.session)
        return Frame(item if type(item) is dict else {}, frame, frame.session)

    def quick(items: Rows, frame: Frame) -> Rows | None:
        fields, keep = written.get(id(items.fields), (None, None))
        if keep is None or fields is not items.fields:
            keep = write_out(items.fields)
            written[id(items.fields)] = (items.fields, keep)
        return keep(items, frame)

    def one_by_one(items: list[Any], frame: Frame) -> list[Any] | None:
        kept: list[Any] = []
        inner = scoped(None, frame)  # one scope, its names exchanged, for speed
        for item in items:
            if names_item:
                inner = scoped(item, frame)
            else:
                inner.names = item if type(item) is dict else {}
            held = predicate(inner)
            if held is True:
                kept.append(item)
            elif held is not False and held is not None:
                message = f"a filter must be true or false, but this is a {type_name(held)}"
                frame.session.report("feel.operand-type", span, message)
                return None
        return kept

    def run(frame: Frame) -> Any:
        items = elements(base(frame))
        if isinstance(items, Rows) and items:
            rows = quick(items, frame)
            if rows is not None:
                return rows
        frame.session.spend(steps)
        if not items:
            return None if is_position else []
        first = predicate(scoped(items[0], frame))
        if type(first) is Decimal:
            return _at(first, items)
        frame.session.spend(steps * len(items))
        return one_by_one(items, frame)

    return run


def _at(position: Any, items: list[Any]) -> Any:
    """Return the element at a position counted from 1, or from -1 at the end, or else null."""
    if type(position) is not Decimal or position != position.to_integral_value():
        return None
    index = whole(position)
    if 1 <= abs(index) <= len(items):
        return items[index - 1 if index > 0 else index]
    return None
