"""Compares the clicks of learned feeds with those of hold-outs, in a test that may be read daily.

The interval is an asymptotic confidence sequence: it holds at all times at once with 95 %
probability, so one may look every day and stop when one has seen enough. It is Robbins' normal
mixture in the form of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52 (2024), over the information
that the data have. Customers are the units: their views of many nights hang together, so the
variance is that of sums over each customer. Such sums correlate more over time than independent
ones of the same variance, which crosses a boundary less often (Slepian), so the interval is safe.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ALPHA: Final = 0.05
"""Probability that the sequence of intervals ever misses the truth."""
TIGHTEST: Final = 0.03
"""Standard error of the relative difference at which the interval is tightest for its error."""
MIN_CUSTOMERS: Final = 30
"""Number of customers with clicks in each group below which nothing is known."""


class Arm(NamedTuple):
    """The views of a group of customers, a number for each customer.

    Attributes:
        views: Number of views.
        clicks: Number of clicks.
    """

    views: Array
    clicks: Array


class Comparison(NamedTuple):
    """The clicks a view of two groups of customers.

    Attributes:
        learned: Clicks a view of learned feeds.
        held_out: Clicks a view of hold-outs.
        lift: Relative difference.
        low: Lower bound of its interval, which holds at all times.
        high: Upper bound of its interval.
        unknown: The reason why nothing is known; empty if it is.
    """

    learned: float
    held_out: float
    lift: float
    low: float
    high: float
    unknown: str


def compare(learned: Arm, held_out: Arm) -> Comparison:
    """Compare the clicks a view of two groups, by an interval that may be looked at daily."""
    few = [int((arm.clicks > 0).sum()) for arm in (learned, held_out)]
    if min(few) < MIN_CUSTOMERS:
        reason = (
            f"{few[0]:,} customers of learned feeds and {few[1]:,} hold-outs have clicked, and "
            f"{MIN_CUSTOMERS} of each are needed"
        )
        return Comparison(_rate(learned), _rate(held_out), math.nan, math.nan, math.nan, reason)
    ratio = math.log(_rate(learned) / _rate(held_out))
    variance = _variance(learned) + _variance(held_out)
    half = boundary(variance)
    lift, low, high = (math.expm1(one) for one in (ratio, ratio - half, ratio + half))
    return Comparison(_rate(learned), _rate(held_out), lift, low, high, "")


def boundary(variance: float) -> float:
    """Return half the width of the interval of an estimate with a variance.

    The mixture's parameter is the one that makes the interval tightest when the standard error is
    `TIGHTEST`, which is fixed before any data are seen.
    """
    information = 1 / variance
    width = -2 * math.log(ALPHA)
    mixture = 1 / TIGHTEST**2 / (width + math.log(width) + 1)
    total = information + mixture
    return math.sqrt(total * math.log(total / (mixture * ALPHA**2))) / information


def _rate(arm: Arm) -> float:
    views = int(arm.views.sum())
    return float(arm.clicks.sum()) / views if views else math.nan


def _variance(arm: Arm) -> float:
    """Return the variance of the logarithm of clicks a view, over customers."""
    residuals = arm.clicks - _rate(arm) * arm.views
    return float((residuals.astype(np.float64) ** 2).sum()) / float(arm.clicks.sum()) ** 2
