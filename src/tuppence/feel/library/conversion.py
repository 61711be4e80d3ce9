"""Conversions, and questions about values (DMN 1.5, 10.3.4.1, 10.3.4.2, 10.3.4.9)."""

import decimal
from decimal import Decimal
from typing import Any, Final

from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import CONTEXT, number_text
from tuppence.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    NUMBER,
    STRING,
    YEARS_DURATION,
    Nullable,
    nullable,
)
from tuppence.feel.values import (
    Date,
    DaysDuration,
    Range,
    YearsDuration,
    civil,
    make_date,
    parse_date,
    parse_duration,
)


def feel_literal(value: Any) -> str:
    """FEEL text that evaluates to the value; null for functions and ranges, which have none."""
    match value:
        case Date() | DaysDuration() | YearsDuration():
            return f'@"{value}"'
        case list():
            return f"[{', '.join(map(feel_literal, value))}]"
        case dict():
            return "{" + ", ".join(f"{n}: {feel_literal(v)}" for n, v in value.items()) + "}"
        case None | bool() | Decimal() | str():
            return feel_text(value)
    return "null"


def feel_text(value: Any) -> str:
    """A value as the function `string` writes it inside lists and contexts."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(map(feel_text, value))}]"
        case dict():
            return "{" + ", ".join(f"{name}: {feel_text(v)}" for name, v in value.items()) + "}"
        case Range():
            ends = ("[" if value.low_closed else "(", "]" if value.high_closed else ")")
            return f"{ends[0]}{feel_text(value.low)}..{feel_text(value.high)}{ends[1]}"
        case Date() | DaysDuration() | YearsDuration():
            return str(value)
    return "function"


def _string(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else feel_text(value)


def _number(text: str | None, grouping: str | None = None, point: str | None = None) -> Decimal:
    if text is None:
        raise FeelError("feel.null-operand", "number was given null")
    plain = text.replace(grouping, "") if grouping else text
    plain = plain.replace(point, ".") if point else plain
    try:
        if not plain.strip("0123456789+-.eE"):
            return CONTEXT.create_decimal(plain)
    except decimal.InvalidOperation:
        pass
    raise FeelError("feel.conversion", "the text is not a number")


def _date(source: Any, month: Decimal | None = None, day: Decimal | None = None) -> Date:
    date = None
    if isinstance(source, Date):
        date = source
    elif isinstance(source, str):
        date = parse_date(source)
    elif isinstance(source, Decimal) and month is not None and day is not None:
        date = make_date(int(source), int(month), int(day))
    if date is None:
        raise FeelError("feel.conversion", "there is no such date")
    return date


def _duration(text: str) -> DaysDuration | YearsDuration:
    value = parse_duration(text)
    if value is None:
        raise FeelError("feel.conversion", "the text is not a duration")
    return value


def _years_and_months(start: Date, end: Date) -> YearsDuration:
    (y1, m1, d1), (y2, m2, d2) = civil(start.day), civil(end.day)
    months = (y2 - y1) * 12 + m2 - m1
    if months > 0 and d2 < d1:
        months -= 1
    elif months < 0 and d2 > d1:
        months += 1
    return YearsDuration(months)


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


FUNCTIONS: Final = (
    Builtin(
        "string",
        (("from", Nullable(ANY)),),
        lambda kinds: nullable(STRING) if isinstance(kinds[0], Nullable) else STRING,
        _string,
        "The value as text.",
        takes_null=True,
    ),
    Builtin(
        "number",
        (("from", STRING), ("grouping separator", STRING), ("decimal separator", STRING)),
        NUMBER,
        _number,
        "The number that the text writes.",
        required=1,
        takes_null=True,
    ),
    Builtin(
        "date",
        (("from", ANY), ("month", NUMBER), ("day", NUMBER)),
        DATE,
        _date,
        "The date from its text, or from year, month and day.",
        required=1,
    ),
    Builtin("duration", (("from", STRING),), ANY, _duration, "The duration that the text writes."),
    Builtin(
        "years and months duration",
        (("from", DATE), ("to", DATE)),
        YEARS_DURATION,
        _years_and_months,
        "The whole months between two dates.",
    ),
    Builtin("not", (("negand", Nullable(BOOLEAN)),), Nullable(BOOLEAN), _not, "The opposite."),
)
