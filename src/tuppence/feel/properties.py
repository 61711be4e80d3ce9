"""The properties of dates, times, durations and ranges (DMN 1.5, table 65)."""

from decimal import Decimal
from typing import Any

from tuppence.feel.library.temporal import weekday
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.values import (
    DAY_NANOSECONDS,
    SECOND_NANOSECONDS,
    Date,
    DateTime,
    DaysDuration,
    Range,
    Time,
    YearsDuration,
    civil,
)


def property_of(value: Any, name: str) -> tuple[bool, Any]:
    """Return whether the value has a property, and the property's value (DMN 1.5, table 65)."""
    match value:
        case Date() | DateTime() | Time():
            return _clock_property(value, name)
        case DaysDuration():
            sign = -1 if value.nanoseconds < 0 else 1
            days, rest = divmod(abs(value.nanoseconds), DAY_NANOSECONDS)
            seconds = rest // SECOND_NANOSECONDS
            parts = (days, seconds // 3600, seconds // 60 % 60, seconds % 60)
            names = ("days", "hours", "minutes", "seconds")
            known = {n: sign * part for n, part in zip(names, parts, strict=True)}
        case YearsDuration():
            sign = -1 if value.months < 0 else 1
            years, months = divmod(abs(value.months), 12)
            known = {"years": sign * years, "months": sign * months}
        case Range():
            ends = {"start": value.low, "end": value.high}
            ends |= {"start included": value.low_closed, "end included": value.high_closed}
            return name in ends, ends.get(name)
        case _:
            return False, None
    return name in known, Decimal(known[name]) if name in known else None


def _clock_property(value: Date | Time | DateTime, name: str) -> tuple[bool, Any]:
    known: dict[str, Any] = {}
    if not isinstance(value, Time):
        year, month, day = civil(value.day)
        known = {"year": year, "month": month, "day": day, "weekday": weekday(Date(value.day))}
    if not isinstance(value, Date):
        seconds, fraction = divmod(value.nanosecond, SECOND_NANOSECONDS)
        known |= {"hour": seconds // 3600, "minute": seconds // 60 % 60}
        exact = CONTEXT.divide(Decimal(fraction), Decimal(SECOND_NANOSECONDS))
        known["second"] = CONTEXT.add(Decimal(seconds % 60), exact)
        if name == "time offset":
            offset = value.offset
            return True, None if offset is None else DaysDuration(offset * SECOND_NANOSECONDS)
        if name == "timezone":
            return True, value.zone or None
    return name in known, Decimal(known[name]) if name in known else None
