"""Fits a scorecard to a log: Bayesian logistic regression by Newton's method, then whole points.

It is a function of the log alone, with the same bytes for any order of its rows: rows are sorted
first, and everything after is done one by one.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop
from tuppence.errors import UserError
from tuppence.relevance.features import (
    AGE,
    AGE_BOUNDS,
    CLICKED,
    FEATURES,
    OF_ALL,
    SCORE,
    SEEN,
    SEEN_BOUNDS,
    Insights,
)
from tuppence.relevance.scorecard import (
    MEAN_SCORE,
    PLACES,
    PRIOR,
    SCORE_STEP,
    Fitted,
    Scorecard,
)

Array = npt.NDArray[Any]

WINDOW: Final = 60
"""Number of nights of the log that a scorecard is fitted to."""
HALF_LIFE: Final = 45
"""Number of nights after which a view counts half."""
LATELY: Final = 7
"""Number of the last nights in which insights may be opened more, or less, than before."""
_DRIFT: Final = 0.1
"""Prior variance of what a rule gains or loses in the last nights."""
_STEPS: Final = 25
_CLOSE: Final = 1e-4
"""A step of Newton's method, in logits, after which the next would change no point."""
_USUAL: Final = 20
"""Views of an insight that its rate begins with, at the rate of all."""
_NUMBERS: Final = 6
"""Features that are numbers: one, the score, and four affinities."""
_LEVELS: Final = 8
"""Features that are levels: rule, kind, topic, seen, age, clicked, place, and the rule lately."""


class Shown(NamedTuple):
    """The cards that people were shown: a row for each of each view.

    Attributes:
        view: Number of the view.
        night: Night of the view, in days since 1970-01-01.
        rule: Number of the rule.
        place: Place in the feed, from 0.
        features: Features, as the feed had them then.
        clicked: Whether it was opened.
    """

    view: Array
    night: Array
    rule: Array
    place: Array
    features: Array
    clicked: Array


class _Layout(NamedTuple):
    """The coefficients: where those of each feature begin, and the prior of each."""

    starts: tuple[int, ...]
    mean: Array
    variance: Array


def fit(
    shown: Shown,
    insights: Insights,
    temperature: int = PRIOR.temperature,
    seed: int = PRIOR.seed,
) -> Scorecard:
    """Fit a scorecard to the last nights of a log.

    Args:
        shown: The cards that were shown; those of sensitive insights are left out.
        insights: The rules.
        temperature: Points by which noise will be multiplied.
        seed: The seed of the noise.

    Raises:
        UserError: `relevance.empty`: nothing was shown from which something could be learned.
    """
    last = int(shown.night.max(initial=-1))
    kept = (shown.night > last - WINDOW) & ~insights.sensitive[shown.rule]
    shown = Shown(*(column[kept] for column in shown))
    if not len(shown.night):
        message = "the log has no view that something can be learned from"
        raise UserError(
            "relevance.empty", message, "views are kept when events arrive with receipts"
        )
    order = _order(
        [shown.night, shown.rule, shown.place, shown.clicked.astype(np.int64), *shown.features.T]
    )
    shown = Shown(*(column[order] for column in shown))
    kinds, topics = insights.codes()
    layout = _layout(len(insights.ids), 1 + kinds.max(), 1 + topics.max())
    place = np.minimum(shown.place, PLACES - 1)
    lately = np.where(shown.night > last - LATELY, shown.rule, len(insights.ids))
    levels = [shown.rule, kinds[shown.rule], topics[shown.rule]]
    levels += [shown.features[:, column] for column in (SEEN, AGE, CLICKED)]
    columns = np.stack([*levels, place, lately], axis=1) + np.array(layout.starts[:_LEVELS])
    numbers = np.ones((len(place), _NUMBERS))
    numbers[:, 1] = (shown.features[:, SCORE] - MEAN_SCORE) / SCORE_STEP
    numbers[:, 2:] = shown.features[:, OF_ALL:FEATURES] / 100
    weight = 0.5 ** ((last - shown.night) / HALF_LIFE)
    found = _newton(columns, numbers, shown.clicked.astype(np.float64), weight, layout)
    views = len(np.unique(shown.view))
    fitted = Fitted(int(shown.night.min()), last, views, len(shown.night), int(shown.clicked.sum()))
    rates = _rates(shown, len(insights.ids))
    card = _scorecard(found, layout, insights, (kinds, topics), rates)
    return msgspec.structs.replace(card, temperature=temperature, seed=seed, fitted=fitted)


def _order(columns: Sequence[Array]) -> Array:
    """Return the order of rows by all columns, of which as many as fit are one number."""
    keys, room = [np.zeros_like(columns[0])], 1 << 62
    for column in columns:
        least = int(column.min())
        size = int(column.max()) - least + 1
        if size > room:
            keys.append(np.zeros_like(column))
            room = 1 << 62
        keys[-1] = keys[-1] * size + (column - least)
        room //= size
    return np.lexsort(keys[::-1])


def _layout(rules: int, kinds: int, topics: int) -> _Layout:
    """Return the coefficients of the scorecard with their prior."""
    prior = np.array(PRIOR.place) / 100
    zero = np.zeros
    sections: Sequence[tuple[Array, float]] = (
        (zero(rules), 0.25),
        (zero(kinds), 0.15),
        (zero(topics), 0.15),
        (zero(len(SEEN_BOUNDS) + 1), 0.5),
        (zero(len(AGE_BOUNDS) + 1), 0.1),
        (zero(2), 1.0),
        (prior, 0.5),
        (zero(rules), _DRIFT),
        (zero(1), 1e-9),  # of earlier nights, which stays 0
        (np.array([PRIOR.base / 100]), 0.5),
        (np.array([PRIOR.score / 100]), 0.05),
        (np.array(PRIOR.affinity) / 100, 0.05),
    )
    sizes = [len(mean) for mean, _ in sections]
    variance = np.concatenate([np.full(len(mean), spread) for mean, spread in sections])
    starts = tuple(np.cumsum([0, *sizes[:-1]]).tolist())
    starts = (*starts[:_LEVELS], *starts[_LEVELS + 1 :])  # the level of earlier nights is one more
    return _Layout(starts, np.concatenate([mean for mean, _ in sections]), variance)


def _newton(
    columns: Array, numbers: Array, clicked: Array, weight: Array, layout: _Layout
) -> Array:
    """Return the coefficients of greatest posterior probability.

    The logarithm of that probability is concave, so a step that goes too far is halved until it
    rises.
    """
    size = len(layout.mean)
    precision, first = 1 / layout.variance, layout.starts[_LEVELS]
    rows = (columns, numbers, clicked, weight)
    room = (np.zeros(columns.shape[1] + _NUMBERS, np.int64), np.zeros(_NUMBERS))

    def at(found: Array) -> tuple[float, Array, Array]:
        gradient, curvature, likelihood = np.zeros(size), np.zeros((size, size)), np.zeros(1)
        _accumulate(*rows, found, first, *room, gradient, curvature, likelihood)
        apart = found - layout.mean
        curvature[np.diag_indices(size)] += precision
        height = float(likelihood[0] - (precision * apart**2).sum() / 2)
        return height, gradient - precision * apart, curvature

    found = layout.mean.copy()
    height, gradient, curvature = at(found)
    for _ in range(_STEPS):
        step = gradient.copy()
        _solve(curvature, step)
        ahead = at(found + step)
        while ahead[0] < height and np.abs(step).max() >= _CLOSE:
            step /= 2
            ahead = at(found + step)
        found += step
        height, gradient, curvature = ahead
        if np.abs(step).max() < _CLOSE:
            break
    return found


def _rates(shown: Shown, rules: int) -> tuple[Array, int]:
    """Return the clicks for each 10,000 views of each rule's insight, and of all insights."""
    views = np.bincount(shown.rule, minlength=rules)
    clicks = np.bincount(shown.rule, shown.clicked, rules)
    usual = (clicks.sum() + 1) / (views.sum() + 10)
    rates = np.rint(10_000 * (clicks + _USUAL * usual) / (views + _USUAL)).astype(np.int64)
    return rates, round(10_000 * usual)


def _scorecard(
    found: Array,
    layout: _Layout,
    insights: Insights,
    codes: tuple[Array, Array],
    rates: tuple[Array, int],
) -> Scorecard:
    ends = (*layout.starts[1:], len(found))
    sections = [found[a:b] for a, b in zip(layout.starts, ends, strict=True)]
    sections[0] = sections[0] + sections.pop(_LEVELS - 1)[:-1]  # rules as they are lately
    points = [np.rint(100 * one).astype(np.int64).tolist() for one in sections]
    rule, kind, topic, seen, age, clicked, place, (base,), (score,), affinity = points
    kinds, topics = codes
    learned = [number for number, one in enumerate(insights.sensitive) if not one]
    return Scorecard(
        base=base + place[0],
        score=score,
        rule={insights.ids[n]: rule[n] for n in learned},
        kind={insights.kinds[n]: kind[kinds[n]] for n in learned},
        topic={insights.topics[n]: topic[topics[n]] for n in learned if insights.topics[n]},
        seen=tuple(seen),
        age=tuple(age),
        clicked=tuple(clicked),
        place=tuple(one - place[0] for one in place),
        affinity=tuple(affinity),
        rates={insights.ids[n]: int(rates[0][n]) for n in learned},
        rate=rates[1],
        temperature=PRIOR.temperature,
        seed=PRIOR.seed,
    )


@loop
def _accumulate(
    columns: Any,
    numbers: Any,
    clicked: Any,
    weight: Any,
    found: Any,
    first: int,
    slots: Any,
    values: Any,
    gradient: Any,
    curvature: Any,
    likelihood: Any,
) -> None:
    """Add up the log likelihood, its gradient, and the lower half of its curvature."""
    levels, many = columns.shape[1], numbers.shape[1]
    for row in range(len(clicked)):
        total = 0.0
        for f in range(levels):
            slots[f] = columns[row][f]
            total += found[slots[f]]
        for f in range(many):
            slots[levels + f] = first + f
            values[f] = numbers[row][f]
            total += found[first + f] * values[f]
        chance = 1.0 / (1.0 + np.exp(-total))
        # log(1 + exp(total)), without overflow
        likelihood[0] += weight[row] * (
            clicked[row] * total - max(total, 0.0) - np.log1p(np.exp(-abs(total)))
        )
        error = weight[row] * (clicked[row] - chance)
        spread = weight[row] * chance * (1.0 - chance)
        for a in range(levels + many):
            one = 1.0 if a < levels else values[a - levels]
            gradient[slots[a]] += error * one
            for b in range(a + 1):
                other = 1.0 if b < levels else values[b - levels]
                curvature[slots[a]][slots[b]] += spread * one * other


@loop
def _solve(matrix: Any, right: Any) -> None:
    """Solve a positive definite system in place by Cholesky's method, in one fixed order.

    A library would split the work among threads, and round in another order for each number of
    them.
    """
    size = len(right)
    for j in range(size):
        for i in range(j, size):
            total = matrix[i][j]
            for k in range(j):
                total -= matrix[i][k] * matrix[j][k]
            matrix[i][j] = np.sqrt(total) if i == j else total / matrix[j][j]
    for i in range(size):
        for k in range(i):
            right[i] -= matrix[i][k] * right[k]
        right[i] /= matrix[i][i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right[i] -= matrix[k][i] * right[k]
        right[i] /= matrix[i][i]
