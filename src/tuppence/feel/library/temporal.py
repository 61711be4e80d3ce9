"""Dates, times and durations (DMN 1.5, 10.3.4.1, 10.3.4.7, 10.3.4.8).

`today` and `now` get their values when an expression is compiled.
"""

from decimal import Decimal
from typing import Any, Final

from tuppence.feel.budget import Budget
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import whole
from tuppence.feel.types import (
    ANY,
    DATE,
    DATE_TIME,
    DAYS_DURATION,
    NUMBER,
    STRING,
    TIME,
    YEARS_DURATION,
    Nullable,
)
from tuppence.feel.values import (
    SECOND_NANOSECONDS,
    Date,
    DateTime,
    DaysDuration,
    Time,
    YearsDuration,
    civil,
    date_time,
    days_from_civil,
    make_date,
    make_time,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_time,
)

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ZONE_STEPS: Final = 500
_YEARS: Final = range(-999_999_999, 1_000_000_000)


def weekday(date: Date) -> int:
    """Return the day of the week, 1 for Monday to 7 for Sunday (ISO 8601)."""
    return (date.day + 3) % 7 + 1


def _found(value: Any, what: str) -> Any:
    if value is None:
        raise FeelError("feel.conversion", f"there is no such {what}")
    return value


def _date(source: Any, month: Decimal | None = None, day: Decimal | None = None) -> Date:
    if isinstance(source, Date):
        return source
    if isinstance(source, DateTime):
        return source.date
    found = None
    if isinstance(source, str):
        found = parse_date(source)
    elif isinstance(source, Decimal) and month is not None and day is not None:
        inside = whole(source) in _YEARS
        found = make_date(whole(source), whole(month), whole(day)) if inside else None
    date: Date = _found(found, "date")
    return date


def _pay_for_zone(budget: Budget, source: Any) -> None:
    """Pay for the look-up of a zone in files, which is repeated for zones that do not exist."""
    if isinstance(source, str) and "@" in source:
        budget.spend(_ZONE_STEPS)


def _time(
    budget: Budget,
    source: Any,
    minute: Decimal | None = None,
    second: Decimal | None = None,
    offset: DaysDuration | None = None,
) -> Time:
    _pay_for_zone(budget, source)
    if isinstance(source, Time):
        return source
    if isinstance(source, DateTime):
        return source.time
    found = None
    if isinstance(source, str):
        found = parse_time(source)
    elif isinstance(source, Date):
        found = Time(0, 0)
    elif isinstance(source, Decimal) and minute is not None and second is not None:
        seconds = None if offset is None else int(offset.nanoseconds / SECOND_NANOSECONDS)
        nanosecond = whole(second * SECOND_NANOSECONDS)
        found = make_time(whole(source), whole(minute), nanosecond, seconds)
    time: Time = _found(found, "time")
    return time


def _date_time(budget: Budget, source: Any, time: Time | None = None) -> DateTime:
    _pay_for_zone(budget, source)
    found = None
    if time is not None and isinstance(source, Date | DateTime):
        found = date_time(source.day, time.nanosecond, time.offset, time.zone)
    elif isinstance(source, DateTime):
        found = source
    elif isinstance(source, Date):
        found = DateTime(source.day, 0)
    elif isinstance(source, str):
        found = parse_date_time(source)
    moment: DateTime = _found(found, "date and time")
    return moment


def _duration(source: Any) -> DaysDuration | YearsDuration:
    if isinstance(source, DaysDuration | YearsDuration):
        return source
    duration: DaysDuration | YearsDuration = _found(
        parse_duration(source) if isinstance(source, str) else None, "duration"
    )
    return duration


def _years_and_months(start: Date | DateTime, end: Date | DateTime) -> YearsDuration:
    """Return the number of complete months between two days."""
    (y1, m1, d1), (y2, m2, d2) = civil(start.day), civil(end.day)
    months = (y2 - y1) * 12 + m2 - m1
    if months > 0 and d2 < d1:
        months -= 1
    elif months < 0 and d2 > d1:
        months += 1
    return YearsDuration(months)


def _day_of_year(date: Date | DateTime) -> Decimal:
    return Decimal(date.day - days_from_civil(civil(date.day)[0], 1, 1) + 1)


def _week_of_year(date: Date | DateTime) -> Decimal:
    """Return the ISO 8601 week, which belongs to the year of its Thursday."""
    thursday = Date(date.day - weekday(Date(date.day)) + 4)
    return (_day_of_year(thursday) - 1) // 7 + 1


def _unset() -> Any:
    raise FeelError("feel.null-operand", "there is no date of evaluation")


_DATE: Final = (("date", DATE),)
_OR_TIME: Final = ((("date", DATE_TIME),),)

FUNCTIONS: Final = (
    Builtin(
        "date",
        (("from", ANY),),
        DATE,
        _date,
        "Returns the date of a text, of a date and time, or of year, month and day.",
        others=((("year", NUMBER), ("month", NUMBER), ("day", NUMBER)),),
    ),
    Builtin(
        "time",
        (("from", ANY),),
        TIME,
        _time,
        "Returns the time of a text, of a date and time, or of hour, minute, second and offset.",
        spends=True,
        others=(
            (("hour", NUMBER), ("minute", NUMBER), ("second", NUMBER)),
            (
                ("hour", NUMBER),
                ("minute", NUMBER),
                ("second", NUMBER),
                ("offset", Nullable(DAYS_DURATION)),
            ),
        ),
    ),
    Builtin(
        "date and time",
        (("from", ANY),),
        DATE_TIME,
        _date_time,
        "Returns the date and time of a text, or of a date and a time.",
        spends=True,
        others=(
            (("date", DATE), ("time", TIME)),
            (("date", DATE_TIME), ("time", TIME)),
        ),
    ),
    Builtin(
        "duration", (("from", ANY),), ANY, _duration, "Returns the duration written in a text."
    ),
    Builtin(
        "years and months duration",
        (("from", DATE), ("to", DATE)),
        YEARS_DURATION,
        _years_and_months,
        "Returns the complete months between two dates.",
        others=tuple(
            (("from", start), ("to", end))
            for start, end in ((DATE_TIME, DATE_TIME), (DATE, DATE_TIME), (DATE_TIME, DATE))
        ),
    ),
    Builtin(
        "day of week",
        _DATE,
        STRING,
        lambda d: _DAYS[weekday(Date(d.day)) - 1],
        "Returns the English name of the day.",
        others=_OR_TIME,
    ),
    Builtin(
        "month of year",
        _DATE,
        STRING,
        lambda d: _MONTHS[civil(d.day)[1] - 1],
        "Returns the English name of the month.",
        others=_OR_TIME,
    ),
    Builtin(
        "day of year",
        _DATE,
        NUMBER,
        _day_of_year,
        "Returns the number of the day in its year, 1 to 366.",
        others=_OR_TIME,
    ),
    Builtin(
        "week of year",
        _DATE,
        NUMBER,
        _week_of_year,
        "Returns the number of the ISO week, 1 to 53.",
        others=_OR_TIME,
    ),
    Builtin("today", (), DATE, _unset, "Returns the date as of which the rules are evaluated."),
    Builtin(
        "now", (), DATE_TIME, _unset, "Returns the moment as of which the rules are evaluated."
    ),
)
