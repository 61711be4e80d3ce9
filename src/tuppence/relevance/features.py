"""Features: what the order of a feed may know about an insight and the person who reads it.

All sums are of integers, so they are the same for any order of rows.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SCORE, SEEN, AGE, CLICKED, OF_ALL, OF_KIND, OF_TOPIC, OF_RULE = range(8)
"""Columns of features."""
FEATURES: Final = 8
"""Number of features of a card."""
SEEN_BOUNDS: Final = (0.3, 1.2, 2.2, 3.5, 5.5)
"""Bounds of the levels of the number of days on which it was seen; older days count less."""
AGE_BOUNDS: Final = (1, 3, 7, 14)
"""Bounds of the levels of the number of days since a turn began."""
_ONE: Final = 1 << 16
_PRIORS: Final = np.array([3.0, 2.0, 1.5, 1.5])
"""Clicks, and expected clicks, that every person begins with: of all, a kind, a topic, a rule."""
_LONGEST: Final = 1_000
"""Days after which nothing counts any more."""


def _fading(keep: float) -> Array:
    """Return what a day counts after some days, in units of `_ONE`."""
    counts: Array = np.rint(_ONE * keep ** np.arange(_LONGEST + 1)).astype(np.int64)
    return counts


_SEEN: Final = _fading(0.95)
_LIKED: Final = _fading(0.99)


@dataclass(frozen=True, eq=False)
class Insights:
    """The rules whose insights are cards, in the order of their identifiers.

    Attributes:
        ids: Identifiers.
        kinds: Kind of each.
        topics: Topic of each; of one without a topic, an empty text.
        sensitive: Whether each is sensitive: nothing is learned from what people do with it.
    """

    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    topics: tuple[str, ...]
    sensitive: Array

    def codes(self) -> tuple[Array, Array]:
        """Return the kind and the topic of each rule as numbers."""
        return _numbers(self.kinds), _numbers(
            [topic or f" {one}" for one, topic in zip(self.ids, self.topics, strict=True)]
        )

    @functools.cached_property
    def groups(self) -> tuple[Array, int]:
        """The groups of each rule that affinities are of, and the number of all groups.

        The groups are everything, its kind, its topic, and itself.
        """
        kinds, topics = self.codes()
        rows = np.stack([np.zeros_like(kinds), kinds, topics, np.arange(len(kinds))])
        sizes = 1 + rows.max(axis=1, initial=0)
        first = np.cumsum(sizes) - sizes
        return rows + first[:, None], int(sizes.sum())


class History(NamedTuple):
    """The days on which people saw insights, a row for each, all of them before the present day.

    Attributes:
        person: Number of the person.
        rule: Number of the rule.
        days: Number of days ago.
        clicked: Whether it was opened on that day.
    """

    person: Array
    rule: Array
    days: Array
    clicked: Array


class Cards(NamedTuple):
    """Insights that people may be shown.

    Attributes:
        person: Number of the person.
        rule: Number of the rule.
        score: The rule's score in hundredths; that of an unknown score is 0.
        age: Number of days since the turn began.
        clicked: Whether it was opened before in this turn.
    """

    person: Array
    rule: Array
    score: Array
    age: Array
    clicked: Array


def features(history: History, cards: Cards, insights: Insights, rates: Array) -> Array:
    """Return the features of cards, a row for each.

    Affinities are in hundredths of a logit: how much more often than others the person opens what
    they see. A sensitive insight counts for none, and has no features but its score.

    Args:
        history: Earlier cards that the persons saw.
        cards: The cards.
        insights: The rules.
        rates: Clicks of everybody on each rule's insight for each 10,000 days on which it is seen.
    """
    kept = ~insights.sensitive[history.rule] & (history.days <= _LONGEST)
    past = History(*(column[kept] for column in history))
    groups, many = insights.groups
    size = many * (1 + max(cards.person.max(initial=0), past.person.max(initial=0)))
    keys = past.person.astype(np.int64) * many + groups[:, past.rule]
    wanted = cards.person.astype(np.int64) * many + groups[:, cards.rule]
    liked = _LIKED[past.days]

    def summed(weights: Array) -> Array:  # of integers, so exactly
        every = np.bincount(keys.ravel(), np.tile(weights, len(groups)), size)
        return every[wanted].T

    seen = np.bincount(keys[-1], _SEEN[past.days], size)[wanted[-1]] / _ONE
    did = summed(liked * past.clicked) / _ONE + _PRIORS
    would = summed(liked * rates[past.rule]) / (_ONE * 10_000) + _PRIORS
    found = np.empty((len(cards.rule), FEATURES), np.int64)
    found[:, SCORE] = cards.score
    found[:, SEEN] = np.searchsorted(SEEN_BOUNDS, seen, side="right")
    found[:, AGE] = np.searchsorted(AGE_BOUNDS, cards.age, side="right")
    found[:, CLICKED] = cards.clicked
    found[:, OF_ALL:] = np.rint(100 * np.log(did / would))
    found[insights.sensitive[cards.rule], SEEN:] = 0
    return found


def _numbers(texts: Sequence[str]) -> Array:
    known = {text: number for number, text in enumerate(sorted(set(texts)))}
    return np.array([known[text] for text in texts], np.int64)
