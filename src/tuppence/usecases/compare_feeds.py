"""Compares a customer's feed with their feed after the run before."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tuppence.feed.choice import Outcome
from tuppence.feed.policy import Policy
from tuppence.feed.turns import is_due, variant_index
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.rules.rule import Offer, Rule
from tuppence.usecases.build_feed import Feed, build_feed
from tuppence.usecases.feed_ports import Kept, Person


class FeedEntry(NamedTuple):
    """An insight of a feed.

    Attributes:
        kind: Kind of the rule, such as `saving`.
        result: The result that is shown.
        message: The message that the customer reads.
        offer: The partner and the terms of an offer or a reward.
    """

    kind: str
    result: Result
    message: Rendered
    offer: Offer | None = None


class Shown(NamedTuple):
    """A feed, and what it was made of.

    Attributes:
        results: All results of the customer.
        rules: The rules of the run, by identifier.
        day: The day on which it is shown, in days since 1970-01-01.
        entries: The insights.
        unwritable: A sentence, by the identifier of its rule, for each insight that is missing
            because its message cannot be written.
    """

    results: Sequence[Result]
    rules: Mapping[str, Rule]
    day: int
    entries: tuple[FeedEntry, ...]
    unwritable: Mapping[str, str]


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


def entries_of(feed: Feed) -> tuple[FeedEntry, ...]:
    """Return the insights of a feed."""
    return tuple(
        FeedEntry(one.rule.kind, one.result, message, one.rule.offer) for one, message in feed.items
    )


def changes_of(
    feed: Feed,
    person: Person,
    before: Person | None,
    day_before: Date,
    kept: Kept,
    policy: Policy,
    now: int,
    locale: str,
) -> FeedChanges:
    """Compare a feed with the one after the run before, by what the person has answered by now.

    Args:
        feed: The feed.
        person: What it was built from.
        before: The same after the run before; None if the person had no results then.
        day_before: The day of the run before.
        kept: What is kept of the person.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
        locale: Locale of money and dates.
    """
    earlier = Shown((), {}, min(day_before.day, feed.as_of.day), (), {})
    if before is not None:
        then = before._replace(as_of=Date(earlier.day))
        earlier = _shown(build_feed(then, kept, policy, now, locale), then)
    changes = compare_feeds(_shown(feed, person), earlier, person.currency, locale)
    answered = {one.rule.id for one in feed.candidates if one.outcome in _ANSWERED}
    gone = [  # what the person has answered did not go by itself, and nothing is advertised here
        one
        for one in changes.gone
        if one.rule_id not in answered and not earlier.rules[one.rule_id].promotes
    ]
    return changes._replace(since=day_before, gone=gone)


def _shown(feed: Feed, person: Person) -> Shown:
    return Shown(person.results, person.rules, feed.as_of.day, entries_of(feed), feed.left_out)


def compare_feeds(now: Shown, before: Shown, currency: str, locale: str) -> FeedChanges:
    """Compare a feed with the one after the run before.

    An insight has changed if the values before would make another message of the present wording.

    Args:
        now: The feed.
        before: The feed after the run before.
        currency: The customer's currency.
        locale: Locale of money and dates.
    """
    were = {entry.result.rule_id: entry for entry in before.entries}
    changes: list[tuple[Change, Before | None]] = []
    for entry in now.entries:
        earlier = were.pop(entry.result.rule_id, None)
        if earlier is None:
            changes.append((Change.CAME, None))
            continue
        rule = now.rules[entry.result.rule_id]
        message = _message(rule, entry, earlier, now.day, (currency, locale))
        change = Change.SAME if message == entry.message else Change.CHANGED
        changes.append((change, Before(earlier.result.values, message)))
    gone = [Gone(name, entry.message, _reason(name, now)) for name, entry in were.items()]
    return FeedChanges(Date(before.day), changes, gone)


def _message(
    rule: Rule, entry: FeedEntry, earlier: FeedEntry, day: int, style: tuple[str, str]
) -> Rendered:
    """Return the message of earlier values in the wording of an entry, if it can be written so."""
    index = variant_index(rule, entry.result.since, day)
    try:
        return render(rule, earlier.result.values, *style, index)
    except MessageError:  # the rule has other values now
        return earlier.message


def _reason(rule_id: str, now: Shown) -> Absence:
    found = next((result for result in now.results if result.rule_id == rule_id), None)
    if found is None or rule_id not in now.rules:
        return Absence.NO_RULE
    if found.state is not State.QUALIFIED:
        is_unknown = found.state is State.UNKNOWN
        return Absence.UNKNOWN if is_unknown else Absence.NOT_QUALIFIED
    if not is_due(now.rules[rule_id], now.day - found.since):
        return Absence.EXPIRED
    return Absence.UNWRITABLE if rule_id in now.unwritable else Absence.OUTRANKED
