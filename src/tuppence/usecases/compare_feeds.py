"""Compares a customer's feed with their feed after the run before."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tuppence.feed.choice import Candidate, Outcome
from tuppence.feed.policy import Policy
from tuppence.feed.turns import is_due, variant_index
from tuppence.feel.values import Date
from tuppence.results.result import State
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.usecases.build_feed import Feed, FeedItem, FeedRequest, build_feed
from tuppence.usecases.feed_ports import Kept, Person
from tuppence.usecases.order_feed import Model


class Change(StrEnum):
    """The difference between an insight and the feed after the run before."""

    CAME = "came"
    CHANGED = "changed"
    SAME = "same"


class Absence(StrEnum):
    """The reason why an insight is no longer in a feed."""

    NO_RULE = "no_rule"
    NOT_QUALIFIED = "not_qualified"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    UNWRITABLE = "unwritable"
    OUTRANKED = "outranked"


ABSENCES: Final[Mapping[Absence, str]] = {
    Absence.NO_RULE: "its rule is no longer run",
    Absence.NOT_QUALIFIED: "its condition no longer holds",
    Absence.UNKNOWN: "it is not known whether its condition holds",
    Absence.EXPIRED: "it has been shown for as long as its rule says",
    Absence.UNWRITABLE: "its message cannot be written",
    Absence.OUTRANKED: "other insights come first",
}
"""Each reason in words."""
_ANSWERED: Final = frozenset({Outcome.ACKNOWLEDGED, Outcome.ACTED, Outcome.SNOOZED, Outcome.MUTED})


class Before(NamedTuple):
    """The values that an insight had after the run before, and its present wording of them."""

    values: Mapping[str, Any]
    message: Rendered

    def wording(self, now: Rendered) -> str:
        """Return the text that was another one: the body, or the title where only that differs."""
        return self.message.title if self.message.body == now.body else self.message.body


class Gone(NamedTuple):
    """An insight of the feed after the run before that is not in the feed any more."""

    rule_id: str
    message: Rendered
    reason: Absence


class FeedChanges(NamedTuple):
    """The differences between two feeds.

    Attributes:
        since: The day of the run before. A feed that was frozen then shows an earlier day.
        entries: For each insight of the feed its change, and what it was before if it was there.
        gone: The insights that went without an answer, except promotions, in the order that they
            had.
    """

    since: Date
    entries: Sequence[tuple[Change, Before | None]]
    gone: Sequence[Gone]


class Earlier(NamedTuple):
    """The run before the last one, as far as a feed needs it.

    Attributes:
        day: Its day.
        person: The customer as of that run; None if they had no results then.
    """

    day: Date
    person: Person | None


def changes_of(
    feed: Feed,
    person: Person,
    earlier: Earlier,
    kept: Kept,
    policy: Policy,
    now: int,
    locale: str,
    model: Model | None = None,
) -> FeedChanges:
    """Compare a feed with the one after the run before, by what the person has answered by now.

    Args:
        feed: The feed.
        person: The person whose feed it is.
        earlier: The run before.
        kept: Stored events and preferences of the person.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
        locale: Locale of money and dates.
        model: The model that orders feeds, if there is one.
    """
    before: Sequence[FeedItem] = ()
    if earlier.person is not None:
        day = min(earlier.day, feed.as_of)
        then = earlier.person._replace(as_of=day)
        before = build_feed(FeedRequest(then, kept, policy, now, locale, model)).items
    entries, gone = compare_feeds(feed, person, before, locale)
    return FeedChanges(earlier.day, entries, gone)


def compare_feeds(
    feed: Feed, person: Person, before: Sequence[FeedItem], locale: str
) -> tuple[list[tuple[Change, Before | None]], list[Gone]]:
    """Return the change of each insight of a feed, and the insights that went.

    An insight has changed if the values before would make another message of the present wording.
    What the person has answered did not go by itself, and promotions that went are not told.

    Args:
        feed: The feed.
        person: The person whose feed it is.
        before: The insights after the run before.
        locale: Locale of money and dates.
    """
    were = {one.candidate.rule.id: one for one in before}
    changes: list[tuple[Change, Before | None]] = []
    for item in feed.items:
        earlier = were.pop(item.candidate.rule.id, None)
        if earlier is None:
            changes.append((Change.CAME, None))
            continue
        message = _message(item.candidate, earlier, feed.as_of.day, (person.currency, locale))
        change = Change.SAME if message == item.message else Change.CHANGED
        changes.append((change, Before(earlier.candidate.result.values, message)))
    answered = {one.rule.id for one in feed.candidates if one.outcome in _ANSWERED}
    gone = [
        Gone(name, one.message, _reason(name, feed, person))
        for name, one in were.items()
        if name not in answered and not one.candidate.rule.promotes
    ]
    return changes, gone


def _message(one: Candidate, earlier: FeedItem, day: int, style: tuple[str, str]) -> Rendered:
    """Return the message of earlier values in the wording of now, if it can be written so."""
    index = variant_index(one.rule, one.result.since, day)
    try:
        return render(one.rule, earlier.candidate.result.values, *style, index)
    except MessageError:  # the rule has other values now
        return earlier.message


def _reason(rule_id: str, feed: Feed, person: Person) -> Absence:
    if rule_id not in person.rules:
        return Absence.NO_RULE
    found = next((result for result in person.results if result.rule_id == rule_id), None)
    if found is None or found.state is State.NOT_QUALIFIED:
        return Absence.NOT_QUALIFIED
    if found.state is State.UNKNOWN:
        return Absence.UNKNOWN
    if not is_due(person.rules[rule_id], feed.as_of.day - found.since):
        return Absence.EXPIRED
    return Absence.UNWRITABLE if rule_id in feed.left_out else Absence.OUTRANKED
