"""Estimates and comparisons, against truths that are known."""

import numpy as np
import numpy.typing as npt
import pytest

from tuppence.relevance.chances import chances
from tuppence.relevance.estimates import Estimate, Views, estimate, tilt
from tuppence.relevance.ranking import Deck, keys, noise, ranked
from tuppence.relevance.sequential import ALPHA, Arm, boundary, compare

PLACES = 2
LOOKS = np.array([1.0, 0.6])
FEEDS, CARDS = 2_000, 5


def deck(random: np.random.Generator) -> Deck:
    many = FEEDS * CARDS
    rule = np.tile(np.arange(CARDS), FEEDS)
    zeros = np.zeros(many, np.int64)
    points = random.integers(-15, 15, many)
    return Deck(np.arange(FEEDS + 1) * CARDS, zeros + 2, rule, zeros > 0, points, rule)


def world(
    seed: int, temperature: int = 15, spoiled: float = 1.0
) -> tuple[Views, npt.NDArray[np.float64], Deck]:
    """Return views that were drawn, the chance of a click in the first place, and the cards.

    Args:
        seed: Number that all follows from.
        temperature: The true temperature.
        spoiled: Factor by which the model is wrong.
    """
    random = np.random.default_rng(seed)
    cards = deck(random)
    appeal = np.clip(0.1 + 0.06 * cards.rule + random.normal(0, 0.02, len(cards.rule)), 0.01, 0.9)
    view = np.repeat(np.arange(FEEDS), CARDS)
    noises = noise(seed, 1, view.astype(np.uint64), cards.rule.astype(np.uint64))
    place = ranked(cards, keys(cards, temperature, noises), PLACES)
    chance = appeal * LOOKS[np.maximum(place, 0)] * (place >= 0)
    clicked = (random.random(len(chance)) < chance).astype(np.float64)
    clicks = spoiled * appeal[:, None] * LOOKS
    drawn = chances(cards, temperature, PLACES)
    return Views(view, np.arange(FEEDS) // 4, place, clicked, drawn, clicks, LOOKS), appeal, cards


def against(seed: int, spoiled: float) -> tuple[Estimate, float]:
    """Return an estimate for the order by rising rule, and the truth."""
    views, appeal, cards = world(seed, spoiled=spoiled)
    wanted = chances(cards._replace(points=10 * cards.rule), 15, PLACES)
    return estimate(views, wanted), float((wanted * appeal[:, None] * LOOKS).sum() / FEEDS)


@pytest.mark.parametrize("spoiled", [1.0, 0.6])
def test_an_estimate_is_right_even_where_the_model_is_not(spoiled: float) -> None:
    found = [against(seed, spoiled) for seed in range(25)]
    errors = [one.value / truth - 1 for one, truth in found]
    assert abs(np.mean(errors)) < 0.015
    assert np.mean([one.low < truth < one.high for one, truth in found]) >= 0.85
    assert all(not one.unknown and one.at_cap == 0 for one, _ in found)


def test_what_is_logged_is_estimated_as_it_was() -> None:
    views, *_ = world(1)
    found = estimate(views, views.drawn)
    assert found.change == pytest.approx(0, abs=0.01)
    assert found.change_low < 0 < found.change_high
    assert found.mean_weight == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("said", "is_true"), [(15, True), (11, False), (22, False)])
def test_a_falsified_temperature_shows(said: int, is_true: bool) -> None:
    views, _, cards = world(2)
    drawn = chances(cards, said, PLACES)
    off = tilt(views.view, views.place, drawn[:, 0], cards.points)
    assert (abs(off) < 4) == is_true
    if not is_true:  # from much too little chance, weights are far from one as well
        cold = chances(cards, 4, PLACES)
        wrong = estimate(views._replace(drawn=cold), chances(cards, 15, PLACES))
        assert "does not say how" in wrong.unknown or "hardly ever" in wrong.unknown


def test_nothing_is_known_of_what_was_hardly_ever_shown() -> None:
    views, _, cards = world(3, temperature=1)
    wanted = chances(cards._replace(points=-cards.points), 1, PLACES)
    found = estimate(views, wanted)
    assert found.at_cap > 0.05
    assert "hardly ever shown" in found.unknown


def test_nothing_is_known_from_few_clicks() -> None:
    views, *_ = world(4)
    found = estimate(views._replace(clicked=views.clicked * 0), views.drawn)
    assert "0 clicks of 500 customers" in found.unknown


def test_intervals_hold_at_all_times_at_once() -> None:
    """Look every night at two groups that do not differ: few in a hundred ever seem to."""
    random = np.random.default_rng(5)
    missed, worlds, nights = 0, 150, 40
    for _ in range(worlds):
        habit = random.gamma(2, 0.05, 2_000)
        opens = random.beta(1, 2, 2_000)
        held = np.arange(2_000) < 400
        views, clicks = np.zeros((2, 2_000))
        for _ in range(nights):
            now = random.random(2_000) < opens
            views += now
            clicks += now * (random.random(2_000) < habit)
            found = compare(Arm(views[~held], clicks[~held]), Arm(views[held], clicks[held]))
            if not found.unknown and not found.low < 0 < found.high:
                missed += 1
                break
    assert missed / worlds <= ALPHA


def test_a_difference_is_found() -> None:
    random = np.random.default_rng(6)
    views = random.integers(1, 60, 4_000)
    arms = [Arm(views, random.binomial(views, chance)) for chance in (0.15, 0.12)]
    found = compare(*arms)
    assert found.low > 0
    assert found.low < 0.25 < found.high
    assert found.lift == pytest.approx(0.25, abs=0.05)


def test_the_boundary_is_wider_than_one_look_needs_but_not_much() -> None:
    for error in (0.1, 0.03, 0.01):
        assert 1.96 < boundary(error**2) / error < 5
    assert boundary(0.03**2) / 0.03 < 3.1
