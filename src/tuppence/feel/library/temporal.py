"""Functions on dates (DMN 1.5, 10.3.4.7 and 10.3.4.8). `today` is bound where a plan is made."""

from decimal import Decimal
from typing import Final

from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.types import DATE, NUMBER, STRING
from tuppence.feel.values import Date, civil, days_from_civil

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DATE: Final = (("date", DATE),)


def weekday(date: Date) -> int:
    """1 for Monday to 7 for Sunday (ISO 8601)."""
    return (date.day + 3) % 7 + 1


def _day_of_year(date: Date) -> Decimal:
    return Decimal(date.day - days_from_civil(civil(date.day)[0], 1, 1) + 1)


def _week_of_year(date: Date) -> Decimal:
    """The ISO 8601 week: the one that holds the week's Thursday."""
    thursday = Date(date.day - weekday(date) + 4)
    return (_day_of_year(thursday) - 1) // 7 + 1


def _today() -> Date:
    raise FeelError("feel.null-operand", "there is no date of evaluation")


FUNCTIONS: Final = (
    Builtin(
        "day of week", _DATE, STRING, lambda d: _DAYS[weekday(d) - 1], "The English day's name."
    ),
    Builtin(
        "month of year",
        _DATE,
        STRING,
        lambda d: _MONTHS[civil(d.day)[1] - 1],
        "The English month's name.",
    ),
    Builtin("day of year", _DATE, NUMBER, _day_of_year, "1 to 366."),
    Builtin("week of year", _DATE, NUMBER, _week_of_year, "The ISO week, 1 to 53."),
    Builtin("today", (), DATE, _today, "The date as of which the rules are evaluated."),
)
