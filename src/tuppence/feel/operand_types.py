"""Types of arithmetic operators and of the properties of values."""

from collections.abc import Mapping
from typing import Final

from tuppence.feel.types import (
    ANY,
    DATE,
    DATE_TIME,
    DAYS_DURATION,
    NULL,
    NUMBER,
    STRING,
    TIME,
    YEARS_DURATION,
    ListOf,
    Nullable,
    Type,
    strip,
)

DURATIONS: Final = frozenset({DAYS_DURATION, YEARS_DURATION})
_MOVES: Final[Mapping[Type, frozenset[Type]]] = {
    DATE: DURATIONS,
    DATE_TIME: DURATIONS,
    TIME: frozenset({DAYS_DURATION}),
}
"""Types of durations that may be added to dates and times."""
_OF_DAYS: Final[Mapping[str, Type]] = dict.fromkeys(("year", "month", "day", "weekday"), NUMBER)
_OF_CLOCKS: Final[Mapping[str, Type]] = {
    **dict.fromkeys(("hour", "minute", "second"), NUMBER),
    "time offset": Nullable(DAYS_DURATION),
    "timezone": Nullable(STRING),
}
PROPERTIES: Final[Mapping[Type, Mapping[str, Type]]] = {
    DATE: _OF_DAYS,
    TIME: _OF_CLOCKS,
    DATE_TIME: {**_OF_DAYS, **_OF_CLOCKS},
    DAYS_DURATION: {"days": NUMBER, "hours": NUMBER, "minutes": NUMBER, "seconds": NUMBER},
    YEARS_DURATION: {"years": NUMBER, "months": NUMBER},
}


def arithmetic_type(operator: str, left: Type, right: Type) -> Type | None:
    """Return the type of `left operator right`, or None if undefined (DMN 1.5, tables 52 to 58)."""
    if ANY in {left, right} or NULL in {left, right}:
        return ANY
    if left == right == NUMBER:
        return NUMBER
    if operator == "+" and left == right == STRING:
        return STRING
    if operator in {"+", "-"}:
        if right in _MOVES.get(left, ()):
            return left
        if operator == "+" and left in _MOVES.get(right, ()):
            return right
        if operator == "-" and (left == right == TIME or {left, right} <= {DATE, DATE_TIME}):
            return DAYS_DURATION
        return left if left == right and left in DURATIONS else None
    if operator == "/" and left == right and left in DURATIONS:
        return NUMBER
    if operator in {"*", "/"} and left in DURATIONS and right == NUMBER:
        return left
    if operator == "*" and left == NUMBER and right in DURATIONS:
        return right
    return None


def arithmetic_hint(left: Type, right: Type) -> str:
    """Return a hint for an author who mixed two types, or an empty text."""
    kinds = {strip(left), strip(right)}
    if kinds == {DATE, NUMBER}:
        return 'write days as a duration: @"P90D"'
    if kinds == {NUMBER, STRING}:
        return "write the number without quotes, or convert it with string(…)"
    if kinds == {DATE, STRING}:
        return 'write dates as @"2026-03-31"'
    if any(isinstance(kind, ListOf) for kind in kinds):
        return "take one value of the list: total(…), count(…), max(…)"
    return ""
