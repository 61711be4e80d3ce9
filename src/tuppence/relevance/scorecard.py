"""The scorecard: the model that orders feeds, whose coefficients are whole points.

A hundred points are one logit: they multiply the odds of a click by e. What an insight gets is a
sum, so the sum is its explanation.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.relevance.features import (
    AGE,
    CLICKED,
    OF_ALL,
    SCORE,
    SEEN,
    Insights,
)

Array = npt.NDArray[Any]

PARTS: Final = (
    *("base", "score", "rule", "kind", "topic", "seen", "age", "clicked"),
    *("of all", "of kind", "of topic", "of rule"),
)
"""Names of the summands of an insight's points."""
PLACES: Final = 10
"""Number of places whose looks are told apart; all later ones are like the last."""
MEAN_SCORE, SCORE_STEP = 4_000, 2_000
"""The score that gives no points, and the step that points are for, in hundredths."""


class Fitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a log that a scorecard was fitted to.

    Attributes:
        first: First night, in days since 1970-01-01.
        last: Last night.
        views: Number of views.
        cards: Number of cards that were shown in them.
        clicks: Number of clicks on these.
    """

    first: int
    last: int
    views: int
    cards: int
    clicks: int


class Scorecard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of clicks, in points.

    Attributes:
        base: Points of every insight.
        score: Points for each 20 that the rule's score is above 40.
        rule: Points of an insight, by its rule.
        kind: Points of a kind of insights.
        topic: Points of a topic.
        seen: Points by how often it was seen lately, in levels.
        age: Points by the days since its turn began, in levels.
        clicked: Points of an insight that was not, and that was, opened in this turn.
        place: Points of each place, of which the first has none: what is lower is looked at less.
        affinity: Points for each logit of affinity: of all, of a kind, of a topic, of a rule.
        rates: Clicks on a rule's insight for each 10,000 days on which it is seen.
        rate: The same for other rules.
        temperature: Points by which noise is multiplied: the more, the more is tried out.
        seed: Number that the noise depends on.
        fitted: The record of its fit; None for the scorecard that has learned nothing.
    """

    base: int
    score: int
    rule: dict[str, int]
    kind: dict[str, int]
    topic: dict[str, int]
    seen: tuple[int, int, int, int, int, int]
    age: tuple[int, int, int, int, int]
    clicked: tuple[int, int]
    place: tuple[int, ...]
    affinity: tuple[int, int, int, int]
    rates: dict[str, int]
    rate: int
    temperature: int
    seed: int
    fitted: Fitted | None = None

    @property
    def content(self) -> bytes:
        """The canonical bytes."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def digest(self) -> str:
        """The name of the scorecard, computed from its bytes."""
        return hashlib.sha256(self.content).hexdigest()[:16]

    def rates_of(self, insights: Insights) -> Array:
        """Return the rates of rules, in their order."""
        return np.array([self.rates.get(one, self.rate) for one in insights.ids], np.int64)

    def place_points(self, places: int) -> Array:
        """Return the points of the first places of a feed."""
        return np.array([self.place[min(k, len(self.place) - 1)] for k in range(places)], np.int64)

    def looks(self, places: int) -> Array:
        """Return how often each of the first places is looked at, against the first."""
        return np.exp(self.place_points(places) / 100)


def _prior_places() -> tuple[int, ...]:
    return tuple(np.rint(-100 * np.log1p(0.35 * np.arange(PLACES))).astype(int).tolist())


PRIOR: Final = Scorecard(
    base=-260,
    score=35,
    rule={},
    kind={},
    topic={},
    seen=(0, 0, 0, 0, 0, 0),
    age=(0, 0, 0, 0, 0),
    clicked=(0, 0),
    place=_prior_places(),
    affinity=(70, 50, 40, 30),
    rates={},
    rate=700,
    temperature=10,
    seed=0,
)
"""The scorecard that has learned nothing: it orders insights by their scores."""


class Parts(NamedTuple):
    """The points of a card, as the sum that they are.

    Attributes:
        names: Names of the summands.
        points: Their points.
    """

    names: tuple[str, ...]
    points: tuple[int, ...]


def contributions(card: Scorecard, insights: Insights, rule: Array, found: Array) -> Array:
    """Return the summands of the points of cards: a row for each card, a column for each of PARTS.

    A sensitive insight has only those of its score: nothing is learned about it.

    Args:
        card: The scorecard.
        insights: The rules.
        rule: Number of the rule of each card.
        found: Features of the cards.
    """
    parts = np.zeros((len(rule), len(PARTS)), np.int64)
    parts[:, 0] = card.base
    parts[:, 1] = _share(card.score, found[:, SCORE] - MEAN_SCORE, SCORE_STEP)
    parts[:, 2] = _points(card.rule, insights.ids)[rule]
    parts[:, 3] = _points(card.kind, insights.kinds)[rule]
    parts[:, 4] = _points(card.topic, insights.topics)[rule]
    levels = ((card.seen, SEEN), (card.age, AGE), (card.clicked, CLICKED))
    for column, (points, feature) in enumerate(levels, 5):
        parts[:, column] = np.array(points)[found[:, feature]]
    for number, each in enumerate(card.affinity):
        parts[:, 8 + number] = _share(each, found[:, OF_ALL + number], 100)
    parts[:, 2:] *= ~insights.sensitive[rule][:, None]
    return parts


def read_scorecard(content: bytes) -> Scorecard:
    """Return the scorecard of its canonical bytes.

    Raises:
        UserError: `relevance.model`: they are those of no scorecard of this version.
    """
    try:
        return msgspec.json.decode(content, type=Scorecard)
    except msgspec.DecodeError as error:
        message = f"a model cannot be read: {error}"
        raise UserError("relevance.model", message, "fit it again") from None


def _points(known: Mapping[str, int], names: Sequence[str]) -> Array:
    return np.array([known.get(name, 0) for name in names], np.int64)


def _share(points: int, amount: Array, unit: int) -> Array:
    """Return points for each unit of an amount, rounded half up."""
    return (2 * points * amount + unit) // (2 * unit)
