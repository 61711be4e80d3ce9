"""The values of FEEL that Python has no type for.

null is None, boolean bool, number Decimal, string str, list list, context dict.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

DAY_NANOSECONDS: Final = 86_400_000_000_000
SECOND_NANOSECONDS: Final = 1_000_000_000

_DATE = re.compile(r"(-?\d{4,9})-(\d\d)-(\d\d)")
_DURATION = re.compile(
    r"(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?"
)


class Date(NamedTuple):
    """A day of the proleptic Gregorian calendar, counted from 1970-01-01; any year."""

    day: int

    def __str__(self) -> str:
        year, month, day = civil(self.day)
        return f"{'-' if year < 0 else ''}{abs(year):04d}-{month:02d}-{day:02d}"

    def __repr__(self) -> str:
        return str(self)


class DaysDuration(NamedTuple):
    """A days and time duration in nanoseconds."""

    nanoseconds: int

    def __str__(self) -> str:
        seconds, nanoseconds = divmod(abs(self.nanoseconds), SECOND_NANOSECONDS)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
        time = "".join(
            (
                f"{hours}H" if hours else "",
                f"{minutes}M" if minutes else "",
                f"{seconds}{fraction}S" if seconds or fraction else "",
            )
        )
        text = (f"{days}D" if days else "") + (f"T{time}" if time else "")
        return f"{'-' if self.nanoseconds < 0 else ''}P{text or 'T0S'}"

    def __repr__(self) -> str:
        return str(self)


class YearsDuration(NamedTuple):
    """A years and months duration in months."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return f"{'-' if self.months < 0 else ''}P{text or '0M'}"

    def __repr__(self) -> str:
        return str(self)


class Range(NamedTuple):
    """An interval; None as an end means unbounded."""

    low: Any
    high: Any
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function written in FEEL, with the names it was defined among.

    Attributes:
        parameters: Names, in order.
        call: Takes the arguments in the parameters' order.
    """

    parameters: tuple[str, ...]
    call: Callable[[list[Any]], Any]


def civil(day: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01.

    After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; the inverse of `civil`, from the same source."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def make_date(year: int, month: int, day: int) -> Date | None:
    """The date, or None where there is no such day."""
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    return Date(days_from_civil(year, month, day))


def parse_date(text: str) -> Date | None:
    """The date written as `YYYY-MM-DD` (XML Schema), or None."""
    found = _DATE.fullmatch(text)
    return make_date(*map(int, found.groups())) if found else None


def add_months(date: Date, months: int) -> Date:
    """The same day of another month, or that month's last day where it is shorter."""
    year, month, day = civil(date.day)
    years, month = divmod(month - 1 + months, 12)
    year += years
    month += 1
    return Date(days_from_civil(year, month, min(day, days_in_month(year, month))))


def parse_duration(text: str) -> DaysDuration | YearsDuration | None:
    """The duration written as in XML Schema, `P1DT2H` or `P1Y6M`; None where it is neither."""
    found = _DURATION.fullmatch(text)
    if not found or text.endswith(("P", "T")):
        return None
    sign = -1 if found[1] else 1
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:7])
    has_months = found[2] is not None or found[3] is not None
    if has_months and any(part is not None for part in found.groups()[3:7]):
        return None
    if has_months:
        return YearsDuration(sign * (years * 12 + months))
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    fraction = int((found[8] or "").ljust(9, "0"))
    return DaysDuration(sign * (total * SECOND_NANOSECONDS + fraction))


def type_name(value: object) -> str:
    """The name that FEEL has for a value's type."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "boolean",
        Decimal: "number",
        str: "string",
        dict: "context",
        Date: "date",
        DaysDuration: "days and time duration",
        YearsDuration: "years and months duration",
        Range: "range",
    }
    return "list" if isinstance(value, list) else names.get(type(value), "function")
