"""An invented world of feeds with known truth: who opens an app, looks, opens and dismisses.

All numbers of the truth are drawn from a seed. Whether somebody opens a card depends on hashes of
customer, night and rule, so every policy meets the same people on the same days.
"""

from typing import Any, NamedTuple

import numpy as np

from tuppence.feed.policy import PROMOTIONS, URGENT, USUAL
from tuppence.relevance.features import Cards, Insights
from tuppence.relevance.ranking import uniforms

Array = Any

CUSTOMERS, NIGHTS, HALF = 10_000, 90, 45
"""People, nights, and the nights that people and models are given to learn."""
LOOKS = np.array([1, 0.72, 0.55, 0.43, 0.35])
"""Share of people who look at each place."""
FADING, MUTED = 0.95, 60


KINDS = ("insight", "saving", "guidance", "tip", "offer", "reward")


class Settings(NamedTuple):
    """The kind of a world.

    Attributes:
        places: Number of cards of a feed.
        copies: Number of times the catalogue is there, each with results of its own.
        tiers: Whether tiers hold, as in the product; otherwise all cards are of one tier.
        correlation: Correlation of the rules' scores with what people want.
        appeal: Spread of the appeal of insights.
        taste: Spread of hidden tastes.
        traits: Spread of what depends on traits that no model is shown, such as age.
        drift: Change of appeal from night to night.
        shock: Change of the appeal of ten insights after half the time.
        base: Log odds of a click.
        cascade: Chance that who has opened a card looks no further.
        crowd: Loss of a card that follows one of its kind.
        fatigue: Loss by having seen a card before.
    """

    places: int = 3
    copies: int = 1
    tiers: bool = False
    correlation: float = 0.5
    appeal: float = 0.7
    taste: float = 0.5
    traits: float = 0.35
    drift: float = 0.02
    shock: float = 1.0
    base: float = -2.6
    cascade: float = 0.0
    crowd: float = 0.0
    fatigue: float = 0.4


WORLDS = {
    "base": Settings(),
    "first card": Settings(places=1),
    "first card, tiers": Settings(places=1, tiers=True),
    "tiers": Settings(tiers=True),
    "five cards": Settings(places=5),
    "catalogue x 3": Settings(copies=3),
    "scores say nothing": Settings(correlation=0.0),
    "scores are good": Settings(correlation=0.8),
    "flat": Settings(appeal=0.35, taste=0.25, traits=0.2),
    "wild": Settings(appeal=1.0, taste=0.7, traits=0.5),
    "drifting": Settings(drift=0.06, shock=1.5),
    "few clicks": Settings(base=-4.0),
    "misspecified": Settings(cascade=0.5, crowd=0.5),
}


def invented(copies: int) -> tuple[Array, Array, Array, Array, Array]:
    """Return kind, topic, tier, and days shown and hidden, of the rules of an invented catalogue.

    They are like those of the shipped one, which grows: 71 rules of 43 topics, 5 of them urgent and
    12 of them promotions. Each copy has topics of its own.
    """
    random = np.random.default_rng(0)
    kinds = random.choice(6, 71, p=[0.32, 0.18, 0.18, 0.14, 0.09, 0.09])
    topics = random.integers(0, 43, 71)
    tiers = np.full(71, USUAL)
    tiers[:5], tiers[-12:] = URGENT, PROMOTIONS
    expires = random.choice([3, 7, 10, 14, 21, 30], 71, p=[0.08, 0.12, 0.12, 0.38, 0.2, 0.1])
    rests = random.choice([0, 4, 14, 30, 60, 300], 71, p=[0.25, 0.1, 0.15, 0.25, 0.2, 0.05])
    several = [np.tile(column, copies) for column in (kinds, topics, tiers, expires, rests)]
    several[1] = several[1] + 43 * np.repeat(np.arange(copies), 71)
    return tuple(several)  # type: ignore[return-value]


class Night(NamedTuple):
    """The feeds of a night; the cards of a feed are adjacent.

    Attributes:
        number: Number of the night.
        customers: Customer of each feed.
        starts: First card of each feed, and the number of cards.
        cards: The cards; the person of each is the number of its feed.
        seen: Number of times that each was seen lately.
        tier: Tier of each card.
        group: Topic of each card.
        logit: Log odds of a click on each card, if it is looked at.
    """

    number: int
    customers: Array
    starts: Array
    cards: Cards
    seen: Array
    tier: Array
    group: Array
    logit: Array


class Outcome(NamedTuple):
    """Actions of people in a night, a row for each card that was shown.

    Attributes:
        card: Number of the card in the night.
        place: Place of it.
        clicked: Whether it was opened.
        expected: Expected clicks of the feeds.
        dismissed: Number of dismissals.
    """

    card: Array
    place: Array
    clicked: Array
    expected: float
    dismissed: int


class World:
    """A world, and what people have seen in it.

    Args:
        settings: Its kind.
        seed: Number that everything follows from.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        random = np.random.default_rng(seed)
        self._draws = np.random.default_rng(seed + 1_000)
        kinds, topics, tiers, self._expires, self._rests = invented(settings.copies)
        many = len(kinds)
        self.insights = Insights(
            tuple(f"rule_{number:03}" for number in range(many)),
            tuple(KINDS[kind] for kind in kinds.tolist()),
            tuple(f"topic_{topic:03}" for topic in topics.tolist()),
            np.zeros(many, bool),
        )
        self.kinds, self._groups = self.insights.codes()
        self._tiers = tiers if settings.tiers else np.full(many, USUAL)
        self._prepare(random, many, self.kinds)
        self.last_click = np.full((CUSTOMERS, many), -999)
        self.muted = np.full((CUSTOMERS, many), -1)
        self.seen = np.zeros((CUSTOMERS, many), np.float32)

    def _prepare(self, random: np.random.Generator, many: int, kinds: Array) -> None:
        one = self.settings
        normal = random.normal
        self._mean = random.uniform(35, 85, many)
        z = (self._mean - self._mean.mean()) / self._mean.std()
        first = one.appeal * (
            one.correlation * z + np.sqrt(1 - one.correlation**2) * normal(size=many)
        )
        self._appeal = first + np.cumsum(one.drift * normal(size=(NIGHTS, many)), axis=0)
        hit = random.choice(many, 10, replace=False)
        self._appeal[HALF:, hit] += one.shock * np.where(np.arange(10) % 2, 1, -1)
        groups = 1 + self._groups.max()
        self._tastes = 0.3 * normal(size=(many, 4)) + 0.4 * normal(size=(groups, 4))[self._groups]
        self._people = normal(size=(CUSTOMERS, 4))
        self._traits = normal(size=(CUSTOMERS, 9))
        self._by_trait = (
            0.8 * normal(size=(1 + kinds.max(), 9))[kinds] + 0.6 * normal(size=(many, 9))
        ) / 3
        self._habit = 0.5 * normal(size=CUSTOMERS)
        self._tires = one.fatigue * np.exp(0.3 * normal(size=many))
        self._annoys = 0.4 * normal(size=many)
        self._opens = random.beta(0.3, 1.73, CUSTOMERS)
        share = np.clip(random.beta(1.2, 6.0, many), 0.01, 0.8)
        self._length = random.uniform(8, 60, many)
        self._share = np.clip(share * np.exp(0.5 * normal(size=(CUSTOMERS, 1))), 0.002, 0.9)
        self._holds = self._draws.random((CUSTOMERS, many)) < self._share
        self._since = -self._draws.integers(0, 40, (CUSTOMERS, many))
        self._score = np.clip(self._mean + 8 * normal(size=(CUSTOMERS, many)), 0, 100)
        self._fresh = random.choice(np.flatnonzero(share > 0.1), 6, replace=False)

    def night(self, number: int) -> Night:
        """Let results change by a night, and return the feeds of those who look."""
        leaves = 1 / self._length
        comes = np.minimum(leaves * self._share / (1 - self._share), 1)
        drawn = self._draws.random(self._holds.shape)
        holds = np.where(self._holds, drawn >= leaves, drawn < comes)
        began = holds & ~self._holds
        self._since[began] = number
        self._score[began] = np.clip(
            self._mean[np.nonzero(began)[1]] + 8 * self._draws.normal(size=began.sum()), 0, 100
        )
        self._holds = holds
        self.seen *= FADING
        everybody = np.arange(CUSTOMERS)
        here = np.flatnonzero(uniforms(self.seed, everybody, everybody * 0 + number) < self._opens)
        return self._feeds(number, here)

    def _feeds(self, number: int, here: Array) -> Night:
        person, rule = np.nonzero(self._holds[here] & (self.muted[here] < number))
        days = number - self._since[here[person], rule]
        length = self._expires + self._rests
        age = np.where(self._rests[rule] > 0, days % np.maximum(length[rule], 1), days)
        due = age < self._expires[rule]
        if number < NIGHTS // 3:
            due &= ~np.isin(rule, self._fresh)
        tier = self._tiers[rule]
        if self.settings.tiers:
            urgent = np.bincount(person[due], tier[due] == URGENT, len(here)) > 0
            due &= ~((tier == PROMOTIONS) & urgent[person])
        person, rule, age, tier = person[due], rule[due], age[due], tier[due]
        count = np.bincount(person, minlength=len(here))
        here, feed = here[count > 0], (np.cumsum(count > 0) - 1)[person]
        customer = here[feed]
        clicked = self.last_click[customer, rule] >= number - age
        seen = self.seen[customer, rule]
        score = np.rint(100 * self._score[customer, rule]).astype(np.int64)
        cards = Cards(feed, rule, score, age, clicked)
        group = np.where(tier == PROMOTIONS, -1, self._groups[rule])
        starts = np.concatenate([[0], np.cumsum(count[count > 0])])
        logit = self._logit(number, customer, cards, seen)
        return Night(number, here, starts, cards, seen, tier, group, logit)

    def _logit(self, number: int, customer: Array, cards: Cards, seen: Array) -> Array:
        one, rule = self.settings, cards.rule
        logit = one.base + self._appeal[number][rule] + self._habit[customer]
        logit = logit + 0.25 * (cards.score / 100 - self._mean[rule]) / 10
        logit += one.taste * (self._tastes[rule] * self._people[customer]).sum(axis=1)
        logit += one.traits * (self._by_trait[rule] * self._traits[customer]).sum(axis=1)
        return (
            logit
            - self._tires[rule] * np.log1p(seen)
            - 0.12 * np.log1p(cards.age)
            - 1.5 * cards.clicked
        )

    def show(self, night: Night, place: Array) -> Outcome:
        """Show cards in their places, and return what people do; they remember it."""
        one = self.settings
        card = np.flatnonzero(place >= 0)
        card = card[np.lexsort((place[card], night.cards.person[card]))]
        at, rule, feed = place[card], night.cards.rule[card], night.cards.person[card]
        customer = night.customers[feed]
        logit = night.logit[card].copy()
        if one.crowd:
            kind = self.kinds[rule]
            follows = (at > 0) & (np.roll(kind, 1) == kind)
            logit -= one.crowd * follows
        chance = 1 / (1 + np.exp(-logit))
        here = customer * 0 + night.number
        looks = uniforms(self.seed + 1, customer, here, at) < LOOKS[at]
        clicked = looks & (uniforms(self.seed + 2, customer, here, rule) < chance)
        expected = LOOKS[at] * chance
        if one.cascade:
            leaves = uniforms(self.seed + 3, customer, here, at) < one.cascade
            stopped, stays = np.zeros(len(at), bool), np.ones(len(at))
            for k in range(1, one.places):
                now = np.flatnonzero(at == k)
                stopped[now] = stopped[now - 1] | (clicked[now - 1] & leaves[now - 1])
                clicked[now] &= ~stopped[now]
                looks[now] &= ~stopped[now]
                stays[now] = stays[now - 1] * (1 - one.cascade * expected[now - 1])
            expected = expected * stays
        annoyed = (
            -4.6 + self._annoys[rule] - 0.5 * (logit - one.base) + 0.5 * np.log1p(night.seen[card])
        )
        bothers = uniforms(self.seed + 4, customer, here, rule) < 1 / (1 + np.exp(-annoyed))
        dismissed = looks & ~clicked & bothers
        self.seen[customer, rule] += 1
        self.last_click[customer[clicked], rule[clicked]] = night.number
        self.muted[customer[dismissed], rule[dismissed]] = night.number + MUTED
        return Outcome(card, at, clicked, float(expected.sum()), int(dismissed.sum()))
