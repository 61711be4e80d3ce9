import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.relevance_columns import deck

from tuppence.relevance.chances import chances
from tuppence.relevance.ranking import (
    Deck,
    code_of,
    codes_of,
    is_held_out,
    keys,
    noise,
    ranked,
)

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(1, 6))
def test_no_points_bring_a_card_before_one_of_a_lower_tier(seed: int, places: int) -> None:
    """The draw cannot change a tier: whoever shows a lower tier shows all it can of the upper."""
    random = np.random.default_rng(seed)
    cards = deck(random, 5)._replace(fixed=np.zeros(0))
    cards = cards._replace(
        fixed=cards.tier == 1, points=random.integers(-9_000, 9_000, len(cards.tier))
    )
    found = ranked(
        cards,
        keys(cards, 10, noise(1, 2, cards.group.astype(np.uint64), cards.rule.astype(np.uint64))),
        places,
    )
    for feed in range(5):
        own = slice(cards.starts[feed], cards.starts[feed + 1])
        place, tier, group = found[own], cards.tier[own], cards.group[own]
        order = np.argsort(place[place >= 0])
        assert sorted(place[place >= 0]) == list(range((place >= 0).sum()))
        assert list(tier[place >= 0][order]) == sorted(tier[place >= 0])
        assert len(set(group[place >= 0])) == (place >= 0).sum() == min(places, len(set(group)))
        for missing in np.flatnonzero(place < 0):
            above = {
                g
                for g, t, p in zip(group, tier, place, strict=True)
                if p >= 0 and t <= tier[missing]
            }
            assert group[missing] in above or len(above) == places


@given(SEEDS, st.integers(1, 6), st.integers(1, 60))
def test_places_are_filled_and_a_card_has_one(seed: int, places: int, temperature: int) -> None:
    cards = deck(np.random.default_rng(seed), 4)
    found = chances(cards, temperature, places)
    assert found.min() >= 0
    assert found.sum(axis=1).max() <= 1 + 1e-5
    for feed in range(4):
        own = slice(cards.starts[feed], cards.starts[feed + 1])
        filled = min(places, len(set(cards.group[own])))
        assert found[own].sum(axis=0) == pytest.approx(
            [1.0] * filled + [0.0] * (places - filled), abs=2e-5
        )


@pytest.mark.parametrize("seed", range(4))
def test_chances_are_those_of_many_draws(seed: int) -> None:
    """Draw a feed two hundred thousand times, with tiers, groups and fixed cards."""
    random, draws, places = np.random.default_rng(seed), 200_000, 3
    one = deck(random)
    count = len(one.tier)
    many = Deck(np.arange(draws + 1) * count, *(np.tile(column, draws) for column in one[1:]))
    code = np.repeat(np.arange(draws, dtype=np.uint64), count)
    found = ranked(many, keys(many, 15, noise(3, 7, code, many.rule.astype(np.uint64))), places)
    counted = np.stack(
        [(found == place).reshape(draws, count).mean(axis=0) for place in range(places)], 1
    )
    expected = chances(one, 15, places)
    assert np.abs(counted - expected).max() < 4.5 * np.sqrt(0.25 / draws)


def test_cards_far_behind_have_chances_as_well() -> None:
    zeros = np.zeros(3, np.int64)
    points = np.array([0, -300, -900_000])
    cards = Deck(np.array([0, 3]), zeros + 2, np.arange(3), zeros > 0, points, np.arange(3))
    for places in (1, 2, 3):
        assert chances(cards, 5, places) == pytest.approx(np.eye(3)[:, :places], abs=1e-5)


@given(SEEDS)
def test_a_ranking_is_the_same_for_any_order_of_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    cards = deck(random)
    order = random.permutation(len(cards.tier))
    mixed = Deck(cards.starts, *(column[order] for column in cards[1:]))

    def places(one: Deck) -> np.ndarray:
        zeros = np.zeros(len(one.rule), np.uint64)
        return ranked(one, keys(one, 10, noise(1, 2, zeros, one.rule.astype(np.uint64))), 4)

    assert list(places(cards)[order]) == list(places(mixed))
    assert chances(cards, 10, 4)[order] == pytest.approx(chances(mixed, 10, 4), abs=1e-12)


def test_noise_follows_from_seed_night_customer_and_rule_alone() -> None:
    customers, rules = codes_of(["ann"] * 3), codes_of(["fees", "energy", "coffee"])
    first = noise(1, 20_000, customers, rules)
    assert list(first) == list(noise(1, 20_000, customers[::-1], rules[::-1])[::-1])
    assert first[1] == noise(1, 20_000, customers[:1], rules[1:2])[0]
    others = [noise(2, 20_000, customers, rules), noise(1, 20_001, customers, rules)]
    others.append(noise(1, 20_000, codes_of(["bob"] * 3), rules))
    assert all((first != one).all() for one in others)


def test_noise_is_gumbel() -> None:
    rules = np.arange(100_000, dtype=np.uint64)
    values = noise(0, 0, np.zeros_like(rules), rules) / 1e6
    assert values.mean() == pytest.approx(0.5772, abs=0.015)
    assert values.std() == pytest.approx(np.pi / np.sqrt(6), abs=0.015)


def test_noise_is_the_same_on_every_machine() -> None:
    """A change here reshuffles every feed, and no log of before can be replayed."""
    found = noise(7, 20_000, codes_of(["ann", "bob"]), codes_of(["fees", "energy"]))
    assert (code_of("ann"), found.tolist()) == (10176691957563388837, [1050971, 991886])


def test_a_twentieth_of_customers_is_held_out() -> None:
    held = [is_held_out(f"C{number:07}") for number in range(20_000)]
    assert sum(held) / len(held) == pytest.approx(0.05, abs=0.006)
