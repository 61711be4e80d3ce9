import numpy as np
import pytest
from tests.relevance_columns import insights, shown

from tuppence.errors import UserError
from tuppence.relevance.features import FEATURES
from tuppence.relevance.fitting import LATELY, WINDOW, Shown, fit
from tuppence.relevance.scorecard import PARTS, PRIOR, contributions, read_scorecard

RULES = insights()


def test_the_same_bytes_for_any_order_of_rows() -> None:
    random = np.random.default_rng(1)
    rows = shown(random, 4_000)
    order = random.permutation(4_000)
    mixed = Shown(*(column[order] for column in rows))
    assert fit(rows, RULES).content == fit(mixed, RULES).content


def test_it_learns_what_is_opened_and_that_lower_places_are_looked_at_less() -> None:
    card = fit(shown(np.random.default_rng(2), 20_000), RULES)
    assert max(card.rule, key=lambda name: card.rule[name]) == "rule_03"
    assert min(card.rule, key=lambda name: card.rule[name]) == "rule_05"
    assert card.rates["rule_03"] > 2 * card.rate > 4 * card.rates["rule_05"]
    assert card.place[0] == 0
    assert card.place[4] == pytest.approx(-120, abs=30)
    assert card.fitted is not None
    assert card.fitted.clicks > 1_000


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_it_finds_the_maximum_whatever_the_share_of_clicks(share: float) -> None:
    """Steps of Newton's method go too far where many more click than the prior expects."""
    random = np.random.default_rng(8)
    rows = shown(random, 3_000)
    rows = rows._replace(clicked=random.random(3_000) < share, night=rows.night * 0)
    card = fit(rows._replace(features=rows.features * 0), RULES)
    parts = contributions(card, RULES, rows.rule, rows.features * 0).sum(axis=1)
    points = parts + card.place_points(5)[rows.place]
    assert (1 / (1 + np.exp(-points / 100))).mean() == pytest.approx(share, abs=0.01)


def test_what_is_sensitive_is_not_learned() -> None:
    """Clicks on a sensitive insight change no byte of the model but its counts."""
    rules = insights(sensitive=frozenset({3}))
    rows = shown(np.random.default_rng(3), 5_000)
    card = fit(rows, rules)
    other = fit(rows._replace(clicked=np.where(rows.rule == 3, ~rows.clicked, rows.clicked)), rules)
    assert card.content == other.content
    assert "rule_03" not in {**card.rule, **card.rates}
    found = np.full((1, FEATURES), 1, np.int64)
    parts = contributions(card, rules, np.array([3]), found)
    assert not parts[0, 2:].any()
    assert PARTS[:2] == ("base", "score")


def test_only_the_last_nights_count() -> None:
    rows = shown(np.random.default_rng(4), 5_000)
    recent = rows.night > rows.night.max() - WINDOW
    assert 0 < recent.sum() < 5_000
    only = Shown(*(column[recent] for column in rows))
    assert fit(rows, RULES).content == fit(only, RULES).content


def test_what_is_opened_more_in_the_last_nights_soon_gains_points() -> None:
    random = np.random.default_rng(6)
    rows = shown(random, 20_000)
    lately = rows.night > rows.night.max() - LATELY
    more = (rows.rule == 1) & (random.random(20_000) < 0.3)

    def points(where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
        card = fit(rows._replace(clicked=rows.clicked | (more & where)), RULES)
        found = np.zeros((1, FEATURES), np.int64)
        return int(contributions(card, RULES, np.array([1]), found)[0, 2:5].sum())

    always, early, late, never = map(points, (lately | True, ~lately, lately, lately & False))
    assert never < late < always
    assert never < early < always
    assert late - never > 0.3 * (always - never)  # by a tenth of the clicks


def test_nothing_can_be_learned_from_nothing() -> None:
    with pytest.raises(UserError) as caught:
        fit(shown(np.random.default_rng(5), 0), RULES)
    assert caught.value.code == "relevance.empty"


def test_what_has_learned_nothing_orders_by_score() -> None:
    found = np.zeros((101, FEATURES), np.int64)
    found[:, 0] = np.arange(101) * 100
    parts = contributions(PRIOR, RULES, np.zeros(101, np.int64), found)
    points = parts.sum(axis=1)
    assert (np.diff(points) > 0).all()
    assert points[40] == PRIOR.base


def test_a_scorecard_is_read_back_and_a_damaged_one_refused() -> None:
    card = fit(shown(np.random.default_rng(6), 500), RULES)
    assert read_scorecard(card.content) == card
    assert read_scorecard(card.content).digest == card.digest
    with pytest.raises(UserError) as caught:
        read_scorecard(b'{"base":"much"}')
    assert caught.value.code == "relevance.model"
