"""Orders a feed by a model, and describes each candidate as the model sees it.

In rule order the candidates are described all the same: what is logged is what a model learns from.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.feed.choice import Candidate, Draw
from tuppence.feed.items import CLICKS, ItemId
from tuppence.feed.policy import PROMOTIONS, URGENT, Policy
from tuppence.feed.preferences import local_day
from tuppence.relevance.chances import chances
from tuppence.relevance.features import FEATURES, Cards, History, Insights, features
from tuppence.relevance.ranking import Deck, code_of, codes_of, is_held_out, keys, noise
from tuppence.relevance.scorecard import PARTS, PRIOR, Parts, Scorecard, contributions
from tuppence.rules.rule import Rule
from tuppence.usecases.feed_ports import Kept, OrderedBy, Person, ViewOrder

Array = npt.NDArray[Any]

_MICRO: Final = Decimal("0.000001")
SCORES: Final = 10_000
"""Number by which scores are multiplied where they are compared: results keep four decimals."""
MAX_RULESETS: Final = 8
"""Number of rulesets that are kept for further feeds."""
VALUE: Final = "value"
"""Name of the points that the policy's values add."""


class Model(NamedTuple):
    """The published scorecard.

    Attributes:
        digest: Its name.
        card: The scorecard.
    """

    digest: str
    card: Scorecard


def no_model() -> None:
    """Return no model: feeds are in rule order."""


def view_order(customer: str, kept: Kept, model: Model | None) -> ViewOrder | None:
    """Return who orders a customer's feed; None if there is no model.

    Args:
        customer: The customer.
        kept: Stored events and preferences of the person.
        model: The published model, if there is one.
    """
    if model is None:
        return None
    by = OrderedBy.MODEL
    if is_held_out(customer):  # whatever they choose, so that hold-outs are like all others
        by = OrderedBy.HOLD_OUT
    elif kept.preferences.rule_order:
        by = OrderedBy.CHOICE
    if by is not OrderedBy.MODEL:
        return ViewOrder(by)
    return ViewOrder(by, model.digest, model.card.temperature, model.card.seed)


class KnownInsights:
    """The rules of a ruleset as a scorecard knows them, for the feeds of many people.

    Args:
        rules: The rules by identifier.
        card: The scorecard; that which has learned nothing, if there is no model.

    Attributes:
        insights: The rules, in the order of their identifiers.
        numbers: The number of each by its identifier.
        card: The scorecard.
    """

    def __init__(self, rules: Mapping[str, Rule], card: Scorecard) -> None:
        self._rules = rules
        self.insights = insights_of(rules.values())
        self.numbers = {one: number for number, one in enumerate(self.insights.ids)}
        self.card = card
        self._rates = card.rates_of(self.insights)

    def is_of(self, rules: Mapping[str, Rule], card: Scorecard) -> bool:
        """Return whether these are the insights of some rules and a scorecard."""
        return self._rules is rules and self.card is card

    def describe(self, feeds: Iterable[tuple["FeedOrder", Sequence[Candidate]]]) -> None:
        """Compute the features of the candidates of many feeds at once, and keep them there.

        Args:
            feeds: Feeds, each with its candidates.
        """
        past, cards = ([list[int]() for _ in fields._fields] for fields in (History, Cards))
        places = list[tuple[FeedOrder, ItemId]]()
        for person, (feed, candidates) in enumerate(feeds):
            new = [one for one in candidates if one.item not in feed.found]
            if new:
                feed.add_history(person, past)
                feed.add_cards(person, new, cards)
                places += [(feed, one.item) for one in new]
        if not places:
            return
        seen = History(*(np.array(column, np.int64) for column in past))
        history = seen._replace(clicked=seen.clicked.astype(bool))
        of_cards = Cards(*(np.array(column, np.int64) for column in cards))
        found = features(history, of_cards, self.insights, self._rates)
        for (feed, item), row in zip(places, found.tolist(), strict=True):
            feed.found[item] = tuple(row)


class KnownRulesets:
    """The last rulesets that feeds were built with, each as a scorecard knows its rules."""

    def __init__(self) -> None:
        self._known: tuple[KnownInsights, ...] = ()  # replaced as a whole: threads share it

    def insights(self, rules: Mapping[str, Rule], model: Model | None) -> KnownInsights:
        """Return the rules as the scorecard of a model knows them, or the one without a model."""
        card = PRIOR if model is None else model.card
        for one in self._known:
            if one.is_of(rules, card):
                return one
        found = KnownInsights(rules, card)
        self._known = (found, *self._known[: MAX_RULESETS - 1])
        return found


class FeedOrder:
    """The order of one person's feed by a model. Implements the port Ordering.

    Args:
        person: The person.
        kept: The person's actions in earlier feeds.
        policy: The policy of the feed.
        today: The day of the clock in the person's time zone.
        insights: The rules of the feed, and the scorecard.

    Attributes:
        insights: The rules of the feed, and the scorecard.
        found: The features of items that are computed already.
    """

    def __init__(
        self, person: Person, kept: Kept, policy: Policy, today: int, insights: KnownInsights
    ) -> None:
        self._person, self._kept, self._policy = person, kept, policy
        self._today, self._card = today, insights.card
        self.insights = insights
        self.found: dict[ItemId, tuple[int, ...]] = {}

    def features(self, candidates: Sequence[Candidate]) -> list[tuple[int, ...]]:
        """Return the features of candidates, as they are logged; each is computed once."""
        if any(one.item not in self.found for one in candidates):
            self.insights.describe([(self, candidates)])
        return [self.found[one.item] for one in candidates]

    def parts(self, candidates: Sequence[Candidate]) -> list[Parts]:
        """Return the points of candidates, each as a sum."""
        numbers = self._rules(candidates)
        found = np.array(self.features(candidates), np.int64).reshape(-1, FEATURES)
        rows = contributions(self._card, self.insights.insights, numbers, found)
        values = [self._policy.value_points(one.rule.id, one.rule.kind) for one in candidates]
        names = (*PARTS, VALUE)
        return [
            Parts(names, (*row, value)) for row, value in zip(rows.tolist(), values, strict=True)
        ]

    def draw(self, eligible: Sequence[Candidate]) -> list[Draw]:
        """Return the draws of the candidates that may be shown."""
        points = [sum(one.points) for one in self.parts(eligible)]
        rules = self._rules(eligible)
        deck = deck_of(
            np.array([0, len(eligible)]),
            np.array([one.tier for one in eligible], np.int64),
            np.array([one.rule.topic or "" for one in eligible], np.str_),
            np.array(points, np.int64),
            np.array([int((one.result.score or 0) * SCORES) for one in eligible], np.int64),
            rules,
        )
        many = np.full(len(eligible), code_of(self._person.customer), np.uint64)
        codes = codes_of(one.rule.id for one in eligible)
        drawn = keys(
            deck,
            self._card.temperature,
            noise(self._card.seed, self._person.as_of.day, many, codes),
        )
        places = self._policy.places
        found = chances(deck, self._card.temperature, places)
        looks = found @ self._card.looks(places)
        return [
            Draw(int(key) * _MICRO, point, round(float(chance.sum()), 6), round(float(look), 6))
            for key, point, chance, look in zip(drawn, points, found, looks, strict=True)
        ]

    def add_cards(
        self, person: int, candidates: Iterable[Candidate], cards: Sequence[list[int]]
    ) -> None:
        """Add candidates to the columns of `Cards`.

        Args:
            person: Number of the person.
            candidates: The candidates.
            cards: The columns.
        """
        people, rules, scores, ages, clicked = cards
        for one in candidates:
            people.append(person)
            rules.append(self.insights.numbers[one.rule.id])
            scores.append(_hundredths(one.result.score))
            ages.append(self._person.as_of.day - one.item.turn)
            clicked.append(self._opened_before(one.item))

    def _rules(self, candidates: Sequence[Candidate]) -> Array:
        numbers = self.insights.numbers
        return np.array([numbers[one.rule.id] for one in candidates], np.int64)

    def _clicked_on(self, item: ItemId) -> int | None:
        """Return the first day on which the person opened an item or acted on it, if they did."""
        state = self._kept.states.get(item)
        if state is None:
            return None
        times = [] if state.opened is None else [state.opened]
        if state.answer is not None and state.answer.kind in CLICKS:
            times.append(state.answer.order.at)
        zone = self._kept.preferences.time_zone or self._policy.time_zone
        return min((local_day(one, zone) for one in times), default=None)

    def _opened_before(self, item: ItemId) -> bool:
        day = self._clicked_on(item)
        return day is not None and day < self._today

    def add_history(self, person: int, past: Sequence[list[int]]) -> None:
        """Add the days before today on which the person saw insights that are not urgent.

        Today does not count, so that an order stays while somebody looks at it.

        Args:
            person: Number of the person.
            past: The columns of `History`.
        """
        people, rules, days, clicked = past
        for item, state in self._kept.states.items():
            number = self.insights.numbers.get(item.rule_id)
            if number is None or self._policy.tier(self._person.rules[item.rule_id]) == URGENT:
                continue
            seen = state.seen[: bisect_left(state.seen, self._today)]
            opened = self._clicked_on(item)
            people += [person] * len(seen)
            rules += [number] * len(seen)
            days += [self._today - day for day in seen]
            clicked += [day == opened for day in seen]


def insights_of(rules: Iterable[Rule]) -> Insights:
    """Return rules as a model knows them, in the order of their identifiers."""
    known = sorted(rules, key=lambda rule: rule.id)
    return Insights(
        tuple(rule.id for rule in known),
        tuple(rule.kind for rule in known),
        tuple(rule.topic or "" for rule in known),
        np.array([rule.feed_settings.sensitive for rule in known], bool),
    )


def deck_of(
    starts: Array, tiers: Array, topics: Array, points: Array, scores: Array, rules: Array
) -> Deck:
    """Return the cards of feeds; a card without a topic has an empty one.

    Urgent insights are fixed in the order of their scores. Promotions are one group, as a feed has
    one at most; one whose topic an insight of an earlier tier has is of that insight's group.
    """
    feed = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    names, codes = np.unique(topics, return_inverse=True)
    named, promoted = topics != "", tiers == PROMOTIONS
    pairs = feed * len(names) + codes
    earlier = np.isin(pairs, pairs[named & ~promoted])
    groups = np.where(named, codes, len(names) + 1 + np.arange(len(tiers)))
    groups[promoted & ~(named & earlier)] = len(names)
    fixed = tiers == URGENT
    return Deck(starts, tiers, groups, fixed, np.where(fixed, scores, points), rules)


def _hundredths(score: Decimal | None) -> int:
    return 0 if score is None else int(score * 100)
