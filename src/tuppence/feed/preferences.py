"""A person's own choices about their feed."""

import datetime
import functools
import zoneinfo
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tuppence.rules.rule import Identifier, InsightKind

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person's choices; the feed follows its policy in what they have not chosen.

    Attributes:
        kinds_off: Kinds of insights that they do not want.
        topics_off: Topics that they do not want.
        locale: Locale of money and dates, such as en_GB.
        time_zone: Their time zone, such as Europe/London.
        rule_order: Whether the order is that of the rules alone: nothing that the person does
            changes it.
    """

    kinds_off: Annotated[list[InsightKind], Meta(max_length=20)] = []
    topics_off: Annotated[list[Identifier], Meta(max_length=200)] = []
    locale: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    rule_order: bool = False


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
    moment = _EPOCH + datetime.timedelta(milliseconds=milliseconds)
    return (moment.astimezone(zoneinfo.ZoneInfo(time_zone)).date() - _EPOCH.date()).days
