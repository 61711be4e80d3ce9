"""Builds a feed: the insights of one customer as the customer sees them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from tuppence.errors import UserError
from tuppence.facts.consent import Consent
from tuppence.feed.choice import (
    Candidate,
    Moment,
    Outcome,
    choose,
    items_away,
    told_by,
)
from tuppence.feed.policy import Policy
from tuppence.feed.preferences import local_day
from tuppence.feed.turns import variant_index
from tuppence.feel.values import Date
from tuppence.results.result import json_value
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.usecases.feed_ports import Kept, OrderedBy, Person, View, ViewedItem, ViewOrder
from tuppence.usecases.order_feed import FeedOrder, KnownInsights, KnownRulesets, Model, view_order

NOT_DUE = frozenset({Outcome.EXPIRED, Outcome.RESTING, Outcome.NOT_IN_FORCE})
"""Outcomes of insights that are no candidates of a view."""
_NOT_HIDDEN = NOT_DUE | {Outcome.SHOWN}


class FeedItem(NamedTuple):
    """An insight of a feed.

    Attributes:
        candidate: The insight, with its rule, its result and its place.
        message: The message that the customer reads.
    """

    candidate: Candidate
    message: Rendered


class Feed(NamedTuple):
    """The feed of a customer.

    Attributes:
        customer: The name by which the customer is known.
        as_of: The day that it stands for.
        evaluated: The day of the facts that its newest insights were computed from.
        frozen: The reason why it stands still on that day; empty if it does not.
        items: The insights, the most relevant first.
        candidates: All insights that qualify, shown or not.
        left_out: A sentence, by the identifier of its rule, for each insight that is missing
            because its message cannot be written.
        view: The record that is logged when the person has seen it.
        order: The model that has ordered it; None in rule order.
    """

    customer: str
    as_of: Date
    evaluated: Date
    frozen: str
    items: tuple[FeedItem, ...]
    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    view: View
    order: FeedOrder | None = None

    @property
    def hidden(self) -> tuple[Candidate, ...]:
        """The insights that apply and are not shown, in order."""
        return tuple(one for one in self.candidates if one.outcome not in _NOT_HIDDEN)


class FeedRequest(NamedTuple):
    """All that a feed follows from.

    Attributes:
        person: The customer, with their results.
        kept: The customer's actions in earlier feeds, and their choices.
        policy: The policy of the feed.
        now: The clock, in milliseconds since 1970-01-01.
        locale: Locale of money and dates, such as en_GB; that of the customer if None.
        model: The model that orders feeds; they are in rule order if omitted.
        channel: Place where the feed is shown, as the app calls it.
    """

    person: Person
    kept: Kept
    policy: Policy
    now: int
    locale: str | None = None
    model: Model | None = None
    channel: str | None = None

    @property
    def style(self) -> str:
        """The locale in which the feed is written."""
        return self.locale or locale_of(self.kept)

    @property
    def today(self) -> int:
        """The day of the clock in the person's time zone, in days since 1970-01-01."""
        return local_day(self.now, self.kept.preferences.time_zone or self.policy.time_zone)

    def served(self) -> "FeedRequest":
        """Return the request as a service answers it: without a consent nothing is in the feed."""
        person = self.person
        return self._replace(person=person._replace(results=())) if person.frozen else self


def served_feed(request: FeedRequest) -> Feed:
    """Build the feed of a customer as a service shows it.

    Args:
        request: All that it follows from.

    Raises:
        UserError: There is no such locale.
    """
    return build_feed(request.served())


def feed_version(request: FeedRequest) -> bytes:
    """Return bytes that differ wherever the served feed may differ, without building it.

    Args:
        request: All that it follows from.
    """
    person, kept, policy, now, locale, model, channel = request
    known = person._replace(results=(), rules={})  # the version and the ruleset stand for them
    away = sorted(items_away(kept.states, policy, now))
    states, withdrawn = sorted(kept.states.items()), sorted(kept.withdrawn)
    return msgspec.json.encode(
        [
            *(known, policy.version, request.today, away, states, withdrawn, kept.preferences),
            *(locale, None if model is None else model.digest, channel),
        ]
    )


def locale_of(kept: Kept) -> str:
    """Return the locale of a customer's money and dates."""
    return kept.preferences.locale or "en_GB"


def build_feed(request: FeedRequest) -> Feed:
    """Build the feed of a customer.

    Args:
        request: All that it follows from.

    Raises:
        UserError: There is no such locale.
    """
    (found,) = build_feeds([request])
    if isinstance(found, UserError):
        raise found
    return found


def build_feeds(
    requests: Sequence[FeedRequest], rulesets: KnownRulesets | None = None
) -> Sequence[Feed | UserError]:
    """Build feeds that are asked for together, each as if alone, at less cost.

    Args:
        requests: All that the feeds follow from.
        rulesets: The rulesets of feeds that were built before.

    Returns:
        The feed of each request; an error if there is no such locale, or results are damaged.
    """
    rulesets = rulesets or KnownRulesets()
    chosen = list[_Chosen | UserError]()
    for one in requests:
        try:
            chosen.append(_chosen(one, rulesets.insights(one.person.rules, one.model)))
        except UserError as error:
            chosen.append(error)
    built = [one for one in chosen if not isinstance(one, UserError)]
    for insights in {one.order.insights for one in built}:
        insights.describe((one.order, one.due) for one in built if one.order.insights is insights)
    return [
        choice if isinstance(choice, UserError) else _feed(one, choice)
        for one, choice in zip(requests, chosen, strict=True)
    ]


class _Chosen(NamedTuple):
    """The insights of a feed.

    Attributes:
        items: Those that are shown.
        candidates: All insights that qualify.
        left_out: The reason, by rule, for each whose message cannot be written.
        order: The order of the feed, which also describes candidates.
        by: The order that a view records; None if there is no model.
    """

    items: tuple[FeedItem, ...]
    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    order: FeedOrder
    by: ViewOrder | None

    @property
    def due(self) -> list[Candidate]:
        """The candidates of the view."""
        return [one for one in self.candidates if one.outcome not in NOT_DUE]


def _chosen(request: FeedRequest, insights: KnownInsights) -> _Chosen:
    person, kept, policy, now, _, model, _ = request
    style = request.style
    moment = Moment(person.as_of.day, request.today, now)
    reader = kept.reader(person.vulnerable)
    by = view_order(person.customer, kept, model)
    order = FeedOrder(person, kept, policy, moment.today, insights)
    ordering = order if by is not None and by.by is OrderedBy.MODEL else None
    items, left_out = dict[str, FeedItem](), dict[str, str]()
    while True:  # once more for each message that cannot be written: it gives way to the next
        candidates = choose(
            person.results,
            person.rules,
            reader,
            policy,
            moment,
            kept.withdrawn,
            frozenset(left_out),
            ordering,
        )
        shown = [one for one in candidates if one.outcome is Outcome.SHOWN]
        # Whatever is drawn must be writable: a draw that is repeated would have other chances.
        drawn = shown if ordering is None else [one for one in candidates if one.draw is not None]
        for one in drawn:
            if one.rule.id not in items:
                try:
                    items[one.rule.id] = FeedItem(one, _message(one, person, moment.day, style))
                except MessageError as error:
                    left_out[one.rule.id] = error.message
        if not left_out.keys() & {one.rule.id for one in drawn}:
            break
    found = tuple(FeedItem(one, items[one.rule.id].message) for one in shown)
    return _Chosen(found, candidates, left_out, order, by)


def _feed(request: FeedRequest, chosen: _Chosen) -> Feed:
    person, by = request.person, chosen.by
    return Feed(
        person.customer,
        person.as_of,
        person.evaluated,
        person.frozen,
        chosen.items,
        chosen.candidates,
        chosen.left_out,
        _view(request, chosen),
        chosen.order if by is not None and by.by is OrderedBy.MODEL else None,
    )


def frozen_day(consents: Sequence[Consent], evaluated: Date, as_of: Date) -> tuple[Date, str]:
    """Return the day on which a feed stands still without a consent, and the reason.

    Args:
        consents: The customer's consents, none of which lets facts be read.
        evaluated: The day as of which the results are.
        as_of: The day of the last run.
    """
    ends = [one.end for one in consents]
    ended = max((end for end in ends if end is not None), default=None)
    if ended is None or None in ends:
        return evaluated, f"frozen on {evaluated}: no consent of this customer allows insights"
    day = Date(max(evaluated.day, min(as_of.day, ended - 1)))
    return day, f"frozen on {day}: no consent of this customer has held since {Date(ended)}"


def values_of(candidate: Candidate) -> dict[str, object]:
    """Return the values of a candidate for JSON."""
    return {name: json_value(value) for name, value in candidate.result.values.items()}


def _message(one: Candidate, person: Person, day: int, locale: str) -> Rendered:
    index = variant_index(one.rule, one.result.since, day)
    return render(one.rule, one.result.values, person.currency, locale, index)


def _view(request: FeedRequest, chosen: _Chosen) -> View:
    person, policy, due = request.person, request.policy, chosen.due
    seen = tuple(
        ViewedItem(
            one.item,
            one.tier,
            one.result.score,
            one.outcome,
            one.rule.topic,
            one.place,
            None if one.place is None else told_by(one, person.evaluated.day),
            one.rule.kind,
            one.rule.feed_settings.sensitive,
            found,
            *((None, float(one.place is not None), None) if one.draw is None else one.draw[1:]),
        )
        for one, found in zip(due, chosen.order.features(due), strict=True)
    )
    day = person.as_of.day
    order, channel = chosen.by, request.channel
    return View(day, person.ruleset, policy.version, policy.places, seen, order, channel)
