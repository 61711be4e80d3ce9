"""Made-up decks, logs and insights for tests of the learned order."""

from typing import Any

import numpy as np

from tuppence.relevance.features import FEATURES, SCORE, Insights
from tuppence.relevance.fitting import Shown
from tuppence.relevance.ranking import Deck

KINDS = ("insight", "saving", "tip")


def insights(many: int = 12, sensitive: frozenset[int] = frozenset()) -> Insights:
    """Return rules of three kinds, of which two share a topic each."""
    return Insights(
        tuple(f"rule_{number:02}" for number in range(many)),
        tuple(KINDS[number % 3] for number in range(many)),
        tuple(f"topic_{number // 2}" if number % 4 else "" for number in range(many)),
        np.array([number in sensitive for number in range(many)], bool),
    )


def deck(random: np.random.Generator, feeds: int = 1, most: int = 9) -> Deck:
    """Return feeds with cards of three tiers, of which the first is fixed, in a few groups."""
    counts = random.integers(1, most + 1, feeds)
    starts = np.concatenate([[0], np.cumsum(counts)])
    cards = int(starts[-1])
    tier = random.choice([1, 2, 3], cards, p=[0.15, 0.6, 0.25])
    rule = np.concatenate([random.permutation(most)[:count] for count in counts])
    points = random.integers(-40, 40, cards)
    return Deck(starts, tier, random.integers(0, 6, cards), tier == 1, points, rule)


def shown(random: np.random.Generator, rows: int, rules: int = 12) -> Shown:
    """Return a log in which rule 3 is opened often, and rule 5 seldom."""
    features: Any = np.zeros((rows, FEATURES), np.int64)
    features[:, SCORE] = random.integers(0, 10_001, rows)
    features[:, 1] = random.integers(0, 6, rows)
    features[:, 2] = random.integers(0, 5, rows)
    features[:, 3] = random.integers(0, 2, rows)
    features[:, 4:] = random.integers(-80, 80, (rows, 4))
    rule, place = random.integers(0, rules, rows), random.integers(0, 5, rows)
    logit = -2.0 + 1.5 * (rule == 3) - 1.5 * (rule == 5) - 0.3 * place
    clicked = random.random(rows) < 1 / (1 + np.exp(-logit))
    views, nights = np.arange(rows) // 5, 20_000 + random.integers(0, 70, rows)
    return Shown(views, nights, rule, place, features, clicked)
