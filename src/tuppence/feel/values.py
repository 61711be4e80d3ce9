"""FEEL values without a counterpart among Python's types.

The others are: None for null, bool, Decimal for numbers, str, list, and dict for contexts.
"""

import datetime
import functools
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

DAY_NANOSECONDS: Final = 86_400_000_000_000
SECOND_NANOSECONDS: Final = 1_000_000_000
_MAX_YEAR: Final = 999_999_999
_FIRST_DAY: Final = -365_243_219_162  # -999999999-01-01
_LAST_DAY: Final = 365_241_780_471  # 999999999-12-31
_MAX_PART_LENGTH: Final = 25

_DATE = re.compile(r"(-?(?:\d{4}|[1-9]\d{4,8}))-(\d\d)-(\d\d)", re.ASCII)
_TIME = re.compile(
    r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?"
    r"(?:(Z|([+-])(\d\d):(\d\d)(?::(\d\d))?)|@([A-Za-z0-9_+\-/]+))?",
    re.ASCII,
)
_DURATION = re.compile(
    r"(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{0,9})\d*)?S)?)?",
    re.ASCII,
)


class Date(NamedTuple):
    """A day of the proleptic Gregorian calendar, in days since 1970-01-01."""

    day: int

    @functools.lru_cache(maxsize=10_000)  # noqa: B019 - dates are small, and few are written
    def __str__(self) -> str:
        year, month, day = civil(self.day)
        return f"{'-' if year < 0 else ''}{abs(year):04d}-{month:02d}-{day:02d}"

    def __repr__(self) -> str:
        return str(self)


class Time(NamedTuple):
    """A time of day, with an offset from UTC, a time zone, or neither.

    Attributes:
        nanosecond: Nanoseconds since midnight.
        offset: Seconds east of UTC; None if unknown, as in a zone without a date.
        zone: Name in the time zone database, or empty.
    """

    nanosecond: int
    offset: int | None = None
    zone: str = ""

    def __str__(self) -> str:
        seconds, nanoseconds = divmod(self.nanosecond, SECOND_NANOSECONDS)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
        return f"{hour:02d}:{minute:02d}:{second:02d}{fraction}{_zone_text(self)}"

    def __repr__(self) -> str:
        return str(self)


class DateTime(NamedTuple):
    """A day and a time of day, with an offset from UTC, a time zone, or neither.

    Attributes:
        day: Days since 1970-01-01.
        nanosecond: Nanoseconds since midnight.
        offset: Seconds east of UTC; None if neither offset nor zone is known.
        zone: Name in the time zone database, or empty.
    """

    day: int
    nanosecond: int
    offset: int | None = None
    zone: str = ""

    @property
    def date(self) -> Date:
        """The day."""
        return Date(self.day)

    @property
    def time(self) -> Time:
        """The time of day; in a zone it has no offset, because that depends on the day."""
        return Time(self.nanosecond, None if self.zone else self.offset, self.zone)

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"

    def __repr__(self) -> str:
        return str(self)


def _zone_text(value: Time) -> str:
    if value.zone:
        return f"@{value.zone}"
    if value.offset is None:
        return ""
    if value.offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(value.offset), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{'-' if value.offset < 0 else '+'}{hours:02d}:{minutes:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


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
    """An interval.

    Attributes:
        low: The lower end, or None.
        high: The upper end, or None.
        low_closed: Whether the lower end belongs to the range.
        high_closed: Whether the upper end belongs to the range.
        unary: Whether it is written as a comparison, `> 5`; such a range never equals another kind.
    """

    low: Any
    high: Any
    low_closed: bool
    high_closed: bool
    unary: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function written in FEEL, with the scope in which it was defined.

    Attributes:
        parameters: Names of the parameters, in order.
        call: Takes the arguments in the order of the parameters, and the caller's session.
    """

    parameters: tuple[str, ...]
    call: Callable[[list[Any], Any], Any]


def is_near(value: Any) -> bool:
    """Return whether a date or duration stays within the years that dates can be written in.

    Others are useless, and numbers that grow without limit become ever slower.
    """
    match value:
        case Date() | DateTime():
            return _FIRST_DAY <= value.day <= _LAST_DAY
        case DaysDuration():
            return abs(value.nanoseconds) <= (_LAST_DAY - _FIRST_DAY) * DAY_NANOSECONDS
        case YearsDuration():
            return abs(value.months) <= 2 * _MAX_YEAR * 12
    return True


def local_nanoseconds(value: DateTime) -> int:
    """Return nanoseconds since 1970-01-01T00:00:00 on the local clock."""
    return value.day * DAY_NANOSECONDS + value.nanosecond


def shifted(value: DateTime, nanoseconds: int) -> DateTime:
    """Return the moment that many nanoseconds later, on the clock of the value's zone or offset.

    In a zone the clock may be changed in between, so that the difference of the two values is the
    given one (DMN 1.5, 10.3.2.3.6).
    """
    clock = local_nanoseconds(value) + nanoseconds
    offset = value.offset
    if value.zone:
        clock -= (offset or 0) * SECOND_NANOSECONDS
        offset = _offset_on(value.zone, *divmod(clock, DAY_NANOSECONDS), universal=True)
        clock += offset * SECOND_NANOSECONDS
    return DateTime(*divmod(clock, DAY_NANOSECONDS), offset, value.zone)


def date_time(day: int, nanosecond: int, offset: int | None = None, zone: str = "") -> DateTime:
    """Make a date and time; in a zone the offset follows from the day."""
    return DateTime(day, nanosecond, _offset_on(zone, day, nanosecond) if zone else offset, zone)


@functools.lru_cache(maxsize=1024)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the rules of a zone, cached because they are slow to read."""
    return zoneinfo.ZoneInfo(name)


def _offset_on(zone: str, day: int, nanosecond: int, *, universal: bool = False) -> int:
    """Return seconds east of UTC; years that Python lacks have the rules of the nearest year.

    Args:
        zone: Name in the time zone database.
        day: Days since 1970-01-01.
        nanosecond: Nanoseconds since midnight.
        universal: Whether day and time are those of UTC, and not of the zone itself.
    """
    year, month, day_of_month = civil(day)
    near = min(max(year, 2), 9998)
    day_of_month = min(day_of_month, days_in_month(near, month))
    seconds = nanosecond // SECOND_NANOSECONDS
    rules = _zone(zone)
    midnight = datetime.datetime(near, month, day_of_month, tzinfo=None if universal else rules)
    clock = midnight + datetime.timedelta(seconds=seconds)
    offset = (rules.fromutc(clock.replace(tzinfo=rules)) if universal else clock).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _known_zone(zone: str) -> bool:
    try:
        _zone(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@functools.lru_cache(maxsize=10_000)  # thousands of texts name the same few days
def civil(day: int) -> tuple[int, int, int]:
    """Convert days since 1970-01-01 to year, month and day.

    After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_from_civil(year: int, month: int, day: int) -> int:
    """Convert year, month and day to days since 1970-01-01, by the same source as `civil`."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def days_in_month(year: int, month: int) -> int:
    """Return the number of days in a month."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def make_date(year: int, month: int, day: int) -> Date | None:
    """Return the date, or None if the day does not exist."""
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    return Date(days_from_civil(year, month, day))


def parse_date(text: str) -> Date | None:
    """Parse a date written as `YYYY-MM-DD` (XML Schema); return None for other texts."""
    found = _DATE.fullmatch(text)
    return make_date(*map(int, found.groups())) if found else None


def make_time(
    hour: int, minute: int, nanosecond: int, offset: int | None = None, zone: str = ""
) -> Time | None:
    """Return a time, given the nanoseconds since its minute, or None if it does not exist."""
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= nanosecond < 60 * SECOND_NANOSECONDS):
        return None
    if offset is not None and abs(offset) > 18 * 3600:
        return None
    return Time((hour * 60 + minute) * 60 * SECOND_NANOSECONDS + nanosecond, offset, zone)


def parse_time(text: str) -> Time | None:
    """Parse a time `hh:mm:ss` with an optional fraction, `Z`, offset or `@Zone`, or return None."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second, fraction, offset, sign, hours, minutes, seconds, zone = found.groups()
    east: int | None = None
    if offset:
        east = 0
        if sign:
            east = (int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)
            east = -east if sign == "-" else east
    if zone and not _known_zone(zone):
        return None
    nanosecond = int(second) * SECOND_NANOSECONDS + int((fraction or "").ljust(9, "0"))
    return make_time(int(hour), int(minute), nanosecond, east, zone or "")


def parse_date_time(text: str) -> DateTime | None:
    """Parse a date and time joined by `T`, or a date alone, as its midnight, or return None."""
    day_text, has_time, time_text = text.partition("T")
    date = parse_date(day_text)
    if date is None:
        return None
    if not has_time:
        return DateTime(date.day, 0)
    later = time_text.startswith("24:00:00")  # the end of a day is the beginning of the next
    time = parse_time("00" + time_text[2:] if later else time_text)
    if time is None:
        return None
    return date_time(date.day + later, time.nanosecond, time.offset, time.zone)


def parse_temporal(text: str) -> "Date | Time | DateTime | DaysDuration | YearsDuration | None":
    """Parse the text of an @ literal, or return None."""
    if "T" in text.partition("@")[0] and not text.lstrip("-").startswith("P"):
        return parse_date_time(text)
    return parse_date(text) or parse_time(text) or parse_duration(text)


def add_months(date: Date, months: int) -> Date:
    """Return the same day of another month, or that month's last day if it is shorter."""
    year, month, day = civil(date.day)
    years, month = divmod(month - 1 + months, 12)
    year += years
    month += 1
    return Date(days_from_civil(year, month, min(day, days_in_month(year, month))))


def parse_duration(text: str) -> DaysDuration | YearsDuration | None:
    """Parse a duration as in XML Schema, `P1DT2H` or `P1Y6M`; return None for other texts."""
    found = _DURATION.fullmatch(text)
    if not found or text.endswith(("P", "T")):
        return None
    sign = -1 if found[1] else 1
    if any(len(part or "") > _MAX_PART_LENGTH for part in found.groups()[1:7]):
        return None
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:7])
    has_months = found[2] is not None or found[3] is not None
    if has_months and any(part is not None for part in found.groups()[3:7]):
        return None
    if has_months:
        written: DaysDuration | YearsDuration = YearsDuration(sign * (years * 12 + months))
        return written if is_near(written) else None
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    fraction = int((found[8] or "").ljust(9, "0"))
    written = DaysDuration(sign * (total * SECOND_NANOSECONDS + fraction))
    return written if is_near(written) else None


def type_name(value: object) -> str:
    """Return FEEL's name of a value's type."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "boolean",
        Decimal: "number",
        str: "string",
        dict: "context",
        Date: "date",
        Time: "time",
        DateTime: "date and time",
        DaysDuration: "days and time duration",
        YearsDuration: "years and months duration",
        Range: "range",
    }
    return "list" if isinstance(value, list) else names.get(type(value), "function")
