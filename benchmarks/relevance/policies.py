"""The orders of feeds that are compared: the project's, and its peers."""

import time
from typing import Any, NamedTuple

import numpy as np
from benchmarks.relevance.world import LOOKS, Night, Outcome, World

from tuppence.feed.policy import URGENT
from tuppence.relevance.features import (
    AGE,
    CLICKED,
    OF_ALL,
    SCORE,
    SEEN,
    History,
    features,
)
from tuppence.relevance.fitting import WINDOW, Shown, fit
from tuppence.relevance.ranking import Deck, keys, noise, ranked
from tuppence.relevance.scorecard import PRIOR, contributions

Array = Any

EVERY_NIGHT = 14
"""Nights after which the scorecard is fitted every third night only, to save time."""


class Past(NamedTuple):
    """The days on which people saw cards, a row for each."""

    night: Array
    customer: Array
    rule: Array
    clicked: Array


class Policy:
    """An order of feeds by random numbers, and what the others share.

    Args:
        world: The world; of its truth a policy reads nothing.
        seed: Number that its own chance follows from.
    """

    def __init__(self, world: World, seed: int = 0) -> None:
        self.world, self.seed = world, seed
        self.seconds = 0.0
        none = np.zeros(0, np.int64)
        self._past = Past(none, none, none, none > 0)
        self.rates = PRIOR.rates_of(world.insights)

    def show(self, night: Night) -> Array:
        """Return the place of each card."""
        start = time.process_time()
        priority = self.priority(night)
        deck = Deck(
            night.starts, night.tier, night.group, night.tier == URGENT, priority, night.cards.rule
        )
        place = ranked(
            deck, np.where(deck.fixed, night.cards.score, priority), self.world.settings.places
        )
        self.seconds += time.process_time() - start
        return place

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered, the highest first."""
        return self.gumbel(night)

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""

    def gumbel(self, night: Night) -> Array:
        """Return the noise of cards."""
        customer = night.customers[night.cards.person].astype(np.uint64)
        return noise(self.seed, night.number, customer, night.cards.rule.astype(np.uint64))

    def features(self, night: Night) -> Array:
        """Return the features of the product."""
        here = np.full(night.customers.max() + 1, -1)
        here[night.customers] = np.arange(len(night.customers))
        mine = (self._past.customer <= night.customers.max()) & (
            here[np.minimum(self._past.customer, len(here) - 1)] >= 0
        )
        past = Past(*(column[mine] for column in self._past))
        history = History(here[past.customer], past.rule, night.number - past.night, past.clicked)
        return features(history, night.cards, self.world.insights, self.rates)

    def remember(self, night: Night, outcome: Outcome) -> None:
        """Add the cards of a night to the history that features are made of."""
        cards = night.cards
        new = (
            np.full(len(outcome.card), night.number),
            night.customers[cards.person[outcome.card]],
            cards.rule[outcome.card],
            outcome.clicked,
        )
        self._past = Past(*(np.concatenate(pair) for pair in zip(self._past, new, strict=True)))


class RuleOrder(Policy):
    """By the rule's score, as without a model."""

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        return night.cards.score


class Oracle(Policy):
    """By the truth, which nobody knows."""

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        return np.rint(1e6 * night.logit).astype(np.int64)


class Learned(Policy):
    """The project's: a scorecard that is fitted again and again."""

    def __init__(self, world: World, seed: int = 0, temperature: int = PRIOR.temperature) -> None:
        super().__init__(world, seed)
        self.card, self._log = PRIOR, list[Shown]()
        self.temperature = temperature
        self.views = 0

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        self.found = self.features(night)
        self.points = contributions(
            self.card, self.world.insights, night.cards.rule, self.found
        ).sum(axis=1)
        deck = Deck(
            night.starts, night.tier, night.group, night.tier < 0, self.points, night.cards.rule
        )
        return keys(deck, self.temperature, self.gumbel(night))

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""
        start = time.process_time()
        card, drawn = outcome.card, night.tier[outcome.card] != URGENT
        columns = (
            np.digitize(card, night.starts),
            np.full(len(card), night.number),
            night.cards.rule[card],
            outcome.place,
            self.found[card],
            outcome.clicked,
        )
        self._log.append(Shown(*(column[drawn] for column in columns)))
        self._log = self._log[-WINDOW:]
        self.remember(night, outcome)
        rows = Shown(*(np.concatenate(column) for column in zip(*self._log, strict=True)))
        if len(rows.rule) and (night.number < EVERY_NIGHT or night.number % 3 == 0):
            self.card = fit(rows, self.world.insights)
            self.rates = self.card.rates_of(self.world.insights)
        self.seconds += time.process_time() - start


class BetaThompson(Policy):
    """Clicks of each insight by Thompson sampling; trials are weighted by looks."""

    def __init__(self, world: World, seed: int = 0) -> None:
        super().__init__(world, seed)
        self._clicks, self._looks = np.zeros((2, len(world.insights.ids)))
        self._random = np.random.default_rng(seed)

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        rule = night.cards.rule
        misses = np.maximum(self._looks - self._clicks, 0)
        return np.rint(1e6 * self._random.beta(2 + self._clicks[rule], 28 + misses[rule])).astype(
            np.int64
        )

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""
        rule = night.cards.rule[outcome.card]
        self._clicks = 0.985 * self._clicks + np.bincount(rule, outcome.clicked, len(self._clicks))
        self._looks = 0.985 * self._looks + np.bincount(
            rule, LOOKS[outcome.place], len(self._looks)
        )


class LinUcb(Policy):
    """Linear upper confidence bounds over the same features, as levels and numbers."""

    def __init__(self, world: World, seed: int = 0) -> None:
        super().__init__(world, seed)
        kinds, topics = world.insights.codes()
        self._codes = (np.arange(len(kinds)), kinds, topics)
        sizes = (len(kinds), 1 + kinds.max(), 1 + topics.max(), 6, 5, 2, len(LOOKS))
        self._starts = np.cumsum([0, *sizes])
        size = int(self._starts[-1]) + 6
        self._mean: Array = np.zeros(size)
        self._mean[-6], self._mean[-5] = 0.06, 0.015
        self._start = 2.0 * np.eye(size)
        self._matrix, self._right = self._start.copy(), self._start @ self._mean

    def rows(self, night: Night, card: Array, place: Array) -> Array:
        """Return cards in places as rows of levels and numbers."""
        found, rule = self.found[card], night.cards.rule[card]
        rows = np.zeros((len(card), len(self._mean)))
        levels = [code[rule] for code in self._codes] + [found[:, f] for f in (SEEN, AGE, CLICKED)]
        for start, level in zip(self._starts, [*levels, place], strict=False):
            rows[np.arange(len(card)), start + level] = 1
        rows[:, -6] = 1
        rows[:, -5] = (found[:, SCORE] - 4_000) / 2_000
        rows[:, -4:] = found[:, OF_ALL:] / 100
        return rows

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        self.found = self.features(night)
        everything = np.arange(len(night.cards.rule))
        rows = self.rows(night, everything, everything * 0)
        inverse = np.linalg.inv(np.linalg.cholesky(self._matrix))
        spread = np.sqrt(0.05 * ((rows @ inverse.T) ** 2).sum(axis=1))
        return np.rint(1e6 * (rows @ self._mean + spread)).astype(np.int64)

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""
        start = time.process_time()
        rows = self.rows(night, outcome.card, outcome.place)
        keep = 0.985
        right = self._matrix @ self._mean
        self._matrix = keep * self._matrix + (1 - keep) * self._start + rows.T @ rows
        mean0 = np.zeros(len(self._mean))
        mean0[-6], mean0[-5] = 0.06, 0.015
        self._right = keep * right + (1 - keep) * self._start @ mean0 + rows.T @ outcome.clicked
        self._mean = np.linalg.solve(self._matrix, self._right)
        self.remember(night, outcome)
        self.seconds += time.process_time() - start


class LightGbm(Learned):
    """Trees that LightGBM trains anew every week on the same features, with the same noise."""

    def __init__(self, world: World, seed: int = 0) -> None:
        super().__init__(world, seed)
        import lightgbm

        self._library, self._trees = lightgbm, None  # type: Any, Any
        kinds, topics = world.insights.codes()
        self._codes = (kinds, topics)

    def rows(self, rule: Array, found: Array, place: Array) -> Array:
        """Return cards in places as rows."""
        kinds, topics = self._codes
        return np.column_stack([rule, kinds[rule], topics[rule], found, place]).astype(np.float32)

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        self.found = self.features(night)
        if self._trees is None:
            priority = PRIOR.score * (self.found[:, SCORE] - 4_000) / 2_000
        else:
            rows = self.rows(night.cards.rule, self.found, night.cards.rule * 0)
            priority = 100 * self._trees.predict(rows, raw_score=True, num_threads=1)
        return np.rint(1e6 * priority).astype(np.int64) + self.temperature * self.gumbel(night)

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""
        start = time.process_time()
        card = outcome.card
        columns = (
            np.digitize(card, night.starts),
            card * 0 + night.number,
            night.cards.rule[card],
            outcome.place,
            self.found[card],
            outcome.clicked,
        )
        self._log = [*self._log, Shown(*columns)][-WINDOW:]
        self.remember(night, outcome)
        rows = Shown(*(np.concatenate(column) for column in zip(*self._log, strict=True)))
        clicks = np.bincount(rows.rule, rows.clicked, len(self.rates)) + 20 * rows.clicked.mean()
        self.rates = np.rint(
            1e4 * clicks / (np.bincount(rows.rule, minlength=len(self.rates)) + 20)
        ).astype(int)
        if (night.number + 1) % 7 == 0:
            data = self._library.Dataset(
                self.rows(rows.rule, rows.features, rows.place),
                rows.clicked.astype(float),
                categorical_feature=[0, 1, 2],
            )
            options = {
                "objective": "binary", "num_leaves": 15, "learning_rate": 0.06,
                "min_data_in_leaf": 100, "lambda_l2": 5.0, "cat_smooth": 20, "verbose": -1,
                "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 1,
            }  # fmt: skip
            self._trees = self._library.train(options, data, 120)
        self.seconds += time.process_time() - start


class VowpalWabbit(Learned):
    """Logistic regression that Vowpal Wabbit learns online, with pairs of features and traits."""

    def __init__(self, world: World, seed: int = 0) -> None:
        super().__init__(world, seed)
        import vowpalwabbit

        options = (
            "--loss_function logistic -q cr -q ck -q sr --link identity -b 20 -l 0.1 --l2 1e-7"
        )
        self._model = vowpalwabbit.Workspace(f"{options} --quiet --random_seed 1")
        self._topics = world.insights.topics

    def texts(self, night: Night, card: Array) -> list[str]:
        """Return cards in the form of Vowpal Wabbit."""
        insights, found = self.world.insights, self.found
        return [
            f"|r {rule} |k {insights.kinds[rule]} |s s{f[SEEN]} a{f[AGE]} c{f[CLICKED]} "
            f"score:{(f[SCORE] - 4_000) / 2_000:.3f} t{insights.topics[rule]} "
            "|a " + " ".join(f"a{n}:{f[OF_ALL + n] / 100}" for n in range(4))
            for rule, f in zip(night.cards.rule[card].tolist(), found[card].tolist(), strict=True)
        ]

    def priority(self, night: Night) -> Array:
        """Return whole numbers by which cards are ordered."""
        self.found = self.features(night)
        if night.number < 2:
            priority = PRIOR.score * (self.found[:, SCORE] - 4_000) / 2_000
        else:
            texts = self.texts(night, np.arange(len(night.cards.rule)))
            priority = np.array([100 * self._model.predict(f"{text} |p p0") for text in texts])
        return np.rint(1e6 * priority).astype(np.int64) + self.temperature * self.gumbel(night)

    def learn(self, night: Night, outcome: Outcome) -> None:
        """Learn from what people did."""
        start = time.process_time()
        texts = self.texts(night, outcome.card)
        for text, place, clicked in zip(texts, outcome.place, outcome.clicked, strict=True):
            self._model.learn(f"{1 if clicked else -1} {text} |p p{place}")
        self.remember(night, outcome)
        self.seconds += time.process_time() - start


POLICIES = {
    "rule order": RuleOrder,
    "random": Policy,
    "Beta-Thompson": BetaThompson,
    "LinUCB": LinUcb,
    "LightGBM": LightGbm,
    "Vowpal Wabbit": VowpalWabbit,
    "scorecard": Learned,
    "oracle": Oracle,
}
