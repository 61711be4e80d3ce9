"""A person's own choices about their feed."""

import datetime
import functools
import zoneinfo
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, field

from tuppence.plain_text import whole_text
from tuppence.rules.rule import Identifier, InsightKind

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


Channel = Literal["mail", "push"]
"""A way to reach a person, which they switch on."""
TimeOfDay = Annotated[str, Meta(pattern=whole_text("([01][0-9]|2[0-3]):[0-5][0-9]"))]


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours in which nobody is sent anything, in their time zone; they may span midnight.

    The attributes have other names in JSON, so their types say what they mean.
    """

    begin: Annotated[TimeOfDay, Meta(description="The first quiet minute, such as 21:00.")] = field(
        name="from"
    )
    end: Annotated[
        TimeOfDay, Meta(description="The first minute that is not quiet any more, such as 08:00.")
    ] = field(name="until")

    def __post_init__(self) -> None:
        if self.begin == self.end:
            raise ValueError("from and until are the same time: give two times")


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person's choices; the feed follows its policy in what they have not chosen.

    Attributes:
        kinds_off: Kinds of insights that they do not want.
        topics_off: Topics that they do not want.
        locale: Locale of money and dates, such as en_GB.
        time_zone: Their time zone, such as Europe/London.
        rule_order: Whether the order is that of the rules alone: nothing that the person does
            changes it.
        channels_on: Ways in which they want to be told of new insights; none if omitted.
        quiet_hours: Hours in which they are not to be told.
    """

    kinds_off: Annotated[list[InsightKind], Meta(max_length=20)] = []
    topics_off: Annotated[list[Identifier], Meta(max_length=200)] = []
    locale: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    rule_order: bool = False
    channels_on: Annotated[list[Channel], Meta(max_length=20)] = []
    quiet_hours: QuietHours | None = None


def is_time_zone(name: str) -> bool:
    """Return whether there is a time zone of this name."""
    return name in _time_zones()


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def local_day(milliseconds: int, time_zone: str) -> int:
    """Return the day on which something happens in a time zone, in days since 1970-01-01.

    Args:
        milliseconds: Time of the moment, since 1970-01-01 in UTC.
        time_zone: Name of the time zone.
    """
    return (_local(milliseconds, time_zone).date() - _EPOCH.date()).days


def start_of_day(day: int, time_zone: str) -> int:
    """Return the first moment of a day in a time zone, in milliseconds since 1970-01-01.

    Args:
        day: The day, in days since 1970-01-01.
        time_zone: Name of the time zone.
    """
    midnight = datetime.datetime.combine(
        _EPOCH.date() + datetime.timedelta(days=day),
        datetime.time(),
        zoneinfo.ZoneInfo(time_zone),
    )
    return _milliseconds(midnight)


def after_quiet_hours(milliseconds: int, time_zone: str, quiet: QuietHours | None) -> int:
    """Return the first moment from another one on that is not in quiet hours.

    Args:
        milliseconds: The moment, since 1970-01-01 in UTC.
        time_zone: Name of the time zone.
        quiet: The quiet hours; None for none.
    """
    if quiet is None:
        return milliseconds
    local = _local(milliseconds, time_zone)
    begin, end = map(datetime.time.fromisoformat, (quiet.begin, quiet.end))
    now = local.time()
    if not (begin <= now < end if begin < end else now >= begin or now < end):
        return milliseconds
    day = local.date() + datetime.timedelta(days=now >= end)
    ended = datetime.datetime.combine(day, end, zoneinfo.ZoneInfo(time_zone))
    # Clocks that go back repeat an hour, so the end may be behind by now: then it comes again.
    return max(milliseconds, _milliseconds(ended), _milliseconds(ended.replace(fold=local.fold)))


def _local(milliseconds: int, time_zone: str) -> datetime.datetime:
    moment = _EPOCH + datetime.timedelta(milliseconds=milliseconds)
    return moment.astimezone(zoneinfo.ZoneInfo(time_zone))


def _milliseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
