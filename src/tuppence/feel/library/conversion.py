"""Conversions, and the notation of values (DMN 1.5, 10.3.4.1 and 10.3.4.2)."""

import decimal
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from tuppence.feel.budget import Budget, visit
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import CONTEXT, number_text
from tuppence.feel.types import ANY, BOOLEAN, NUMBER, STRING, Nullable, nullable
from tuppence.feel.values import Date, DateTime, DaysDuration, Range, Time, YearsDuration

_PLAIN_NAME: Final = re.compile(r"[^\W\d]\w*(?: \w+)*")
_GROUPING: Final = (" ", ",", ".")


def feel_literal(value: Any) -> str:
    """Return FEEL text that evaluates to the value, or null for functions and ranges."""
    pieces: list[str] = []
    _write(value, pieces.append, literal=True)
    return "".join(pieces)


def feel_text(value: Any) -> str:
    """Return a value as the function `string` writes it inside lists and contexts."""
    pieces: list[str] = []
    _write(value, pieces.append, literal=False)
    return "".join(pieces)


def _write(value: Any, write: Callable[[str], None], *, literal: bool) -> None:
    """Write the text of a value in pieces, so that nested texts are not copied at each level."""
    match value:
        case None:
            write("null")
        case bool():
            write("true" if value else "false")
        case Decimal():
            write(number_text(value))
        case str():
            write(quoted(value))
        case list():
            for index, item in enumerate(value):
                write(", " if index else "[")
                _write(item, write, literal=literal)
            write("]" if value else "[]")
        case dict():
            for index, (name, item) in enumerate(value.items()):
                write(f"{', ' if index else '{'}{_key(name)}: ")
                _write(item, write, literal=literal)
            write("}" if value else "{}")
        case Date() | Time() | DateTime() | DaysDuration() | YearsDuration():
            write(f'@"{value}"' if literal else str(value))
        case Range() if not literal:
            write(_range_text(value))
        case _:
            write("null" if literal else "function")


def quoted(text: str) -> str:
    """Return a text as a literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else quoted(name)


def _range_text(value: Range) -> str:
    if value.unary:
        symbol = "=" if value.low is not None and value.high is not None else ""
        if not symbol:
            symbol = "<" if value.low is None else ">"
            symbol += "=" if value.high_closed or value.low_closed else ""
        return f"{symbol} {feel_text(value.high if value.low is None else value.low)}"
    ends = ("[" if value.low_closed else "(", "]" if value.high_closed else ")")
    return f"{ends[0]}{feel_text(value.low)}..{feel_text(value.high)}{ends[1]}"


def _string(budget: Budget, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    visit(value, budget)
    return feel_text(value)


def _number(text: str | None, grouping: str | None = None, point: str | None = None) -> Decimal:
    if text is None:
        raise FeelError("feel.null-operand", "an argument of number is null")
    if grouping not in {None, *_GROUPING} or point not in {None, ",", "."}:
        raise FeelError("feel.argument-type", "a separator is a space, a comma or a point")
    if grouping is not None and grouping == point:
        raise FeelError("feel.argument-type", "the separators must differ")
    plain = text.replace(grouping, "") if grouping else text
    plain = plain.replace(point, ".") if point else plain
    try:
        if not plain.strip("0123456789+-.eE"):
            return CONTEXT.create_decimal(plain)
    except decimal.DecimalException:
        pass
    raise FeelError("feel.conversion", "the text is not a number")


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


FUNCTIONS: Final = (
    Builtin(
        "string",
        (("from", Nullable(ANY)),),
        lambda kinds: nullable(STRING) if isinstance(kinds[0], Nullable) else STRING,
        _string,
        "Returns the value as a text.",
        takes_null=True,
        spends=True,
    ),
    Builtin(
        "number",
        (("from", STRING),),
        NUMBER,
        _number,
        "Returns the number written in a text; its separators may be given.",
        takes_null=True,
        element_steps=2,
        others=((("from", STRING), ("grouping separator", STRING), ("decimal separator", STRING)),),
    ),
    Builtin(
        "not", (("negand", Nullable(BOOLEAN)),), Nullable(BOOLEAN), _not, "Returns the opposite."
    ),
)
