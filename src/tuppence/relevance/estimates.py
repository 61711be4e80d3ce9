"""Estimates of what another order of feeds would bring, from views of feeds that were drawn.

The estimate is doubly robust in expected looks: the model's clicks under the target, plus what the
model missed where people were shown cards, weighted by how much more the target would have shown
them. A view is looked at once for each place by a known share of people (position-based model), so
looks need far smaller weights than whole feeds do.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CAP: Final = 20.0
"""Largest weight of a card."""
MAX_AT_CAP: Final = 0.05
"""Share of the target's looks at cards of a larger weight above which nothing is known."""
MIN_CUSTOMERS: Final = 30
"""Number of customers below which nothing is known: an interval would mean nothing."""
MIN_CLICKS: Final = 100
"""Number of clicks below which nothing is known."""
MAX_OFF: Final = 4.0
"""Standard errors by which the mean weight may differ from one."""
_WIDE: Final = 1.959964


class Views(NamedTuple):
    """Views of feeds that were drawn; the cards of a view are adjacent.

    Attributes:
        view: Number of the view of each card.
        customer: Number of the customer of each view.
        place: Place of each card; -1 if it was not shown.
        clicked: Whether each card was opened.
        drawn: Chance of each card at each place, as it was drawn.
        clicks: Chance of a click on each card at each place, as the model has it.
        looks: Share of looks at each place, against the first.
    """

    view: Array
    customer: Array
    place: Array
    clicked: Array
    drawn: Array
    clicks: Array
    looks: Array


class Estimate(NamedTuple):
    """The clicks a view that a target would bring.

    Attributes:
        logged: Clicks a view in the log.
        value: Clicks a view under the target.
        low: Lower bound of the 95 % interval of the value.
        high: Its upper bound.
        change: Relative change of clicks.
        change_low: Lower bound of the 95 % interval of the change.
        change_high: Its upper bound.
        at_cap: Share of the target's looks at cards whose weight is larger than the cap.
        mean_weight: Mean weight, which is one if the log says the truth about its draws.
        unknown: The reason why nothing is known; empty if it is.
    """

    logged: float
    value: float
    low: float
    high: float
    change: float
    change_low: float
    change_high: float
    at_cap: float
    mean_weight: float
    unknown: str


def estimate(views: Views, wanted: Array) -> Estimate:
    """Estimate the clicks a view that a target would bring.

    Args:
        views: The views.
        wanted: Chance of each card at each place under the target.
    """
    count = len(views.customer)
    wanted_looks, drawn_looks = wanted @ views.looks, views.drawn @ views.looks
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(wanted_looks > 0, wanted_looks / drawn_looks, 0.0)
    shown = views.place >= 0
    place = np.maximum(views.place, 0)
    each = np.arange(len(place))
    missed = np.where(shown, views.clicked - views.clicks[each, place], 0.0)
    capped = np.minimum(weight, CAP)

    def by_view(values: Array) -> Array:
        return np.bincount(views.view, values, count)

    value = by_view((wanted * views.clicks).sum(axis=1) + capped * missed)
    logged = by_view(np.where(shown, views.clicked, 0.0))
    looked = by_view(np.where(shown, views.looks[place] * np.minimum(weight, 1e6), 0.0))
    would = by_view(wanted_looks)
    mean, mean_logged = float(value.mean()), float(logged.mean())
    error = _error(value, views.customer)
    ratio = mean / mean_logged - 1 if mean_logged else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (value - (1 + ratio) * logged) / mean_logged if mean_logged else value
    spread = _WIDE * _error(relative, views.customer)
    at_cap = float(wanted_looks[weight > CAP].sum() / wanted_looks.sum())
    mean_weight = float(looked.sum() / would.sum())
    off = _error((looked - would) / would.mean(), views.customer)
    return Estimate(
        mean_logged,
        mean,
        mean - _WIDE * error,
        mean + _WIDE * error,
        ratio,
        ratio - spread,
        ratio + spread,
        at_cap,
        mean_weight,
        _unknown(views, int(logged.sum()), at_cap, abs(mean_weight - 1), off),
    )


def _unknown(views: Views, clicks: int, at_cap: float, off: float, error: float) -> str:
    """Return why nothing is known about a target; empty if something is."""
    customers = len(np.unique(views.customer))
    if customers < MIN_CUSTOMERS or clicks < MIN_CLICKS:
        return (
            f"the log has {clicks:,} clicks of {customers:,} customers, and {MIN_CLICKS:,} "
            f"of {MIN_CUSTOMERS:,} customers are needed"
        )
    if at_cap > MAX_AT_CAP:
        return (
            f"{at_cap:.0%} of what would be looked at was hardly ever shown, and "
            f"{MAX_AT_CAP:.0%} is the most that can be told from"
        )
    if off > MAX_OFF * error and off > 0.01:
        return "the mean weight is far from one: the log does not say how its feeds were drawn"
    return ""


def _error(values: Array, customer: Array) -> float:
    """Return the standard error of a mean over views, whose customers are independent."""
    many = np.bincount(customer, values - values.mean())
    return float(np.sqrt((many**2).sum())) / len(values)


def tilt(view: Array, place: Array, drawn: Array, points: Array) -> float:
    """Return by how many standard errors the first cards differ from what the log says of draws.

    It is the score test of the temperature: if a falsified temperature is too high, the cards in
    the first place have more points than its chances give.

    Args:
        view: Number of the view of each card.
        place: Place of each card; -1 if it was not shown.
        drawn: Chance of each card in the first place.
        points: Points of each card.
    """
    count = int(view.max(initial=-1)) + 1
    total = np.maximum(np.bincount(view, drawn, count), 1e-12)
    mean = np.bincount(view, drawn * points, count) / total
    aside = points - mean[view]
    variance = np.bincount(view, drawn * aside**2, count).sum()
    if variance <= 0:
        return 0.0
    return float(aside[place == 0].sum() / np.sqrt(variance))
