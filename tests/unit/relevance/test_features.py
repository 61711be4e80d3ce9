import numpy as np
import pytest
from tests.relevance_columns import insights

from tuppence.relevance.features import (
    AGE,
    CLICKED,
    OF_ALL,
    OF_KIND,
    OF_RULE,
    OF_TOPIC,
    SCORE,
    SEEN,
    Cards,
    History,
    features,
)

RULES = insights()
RATES = np.full(12, 1_000)


def history(*rows: tuple[int, int, int, bool]) -> History:
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    person, rule, days, clicked = (list(one) for one in columns)
    return History(
        np.array(person, int), np.array(rule, int), np.array(days, int), np.array(clicked, bool)
    )


def cards(*rules: int, person: int = 0) -> Cards:
    many = len(rules)
    zero = np.zeros(many, np.int64)
    return Cards(zero + person, np.array(rules), zero + 6_000, zero + 2, zero)


def test_somebody_new_is_like_everybody() -> None:
    (found,) = features(history(), cards(1), RULES, RATES)
    assert found.tolist() == [6_000, 0, 1, 0, 0, 0, 0, 0]


def test_who_opens_a_rule_likes_it_its_topic_its_kind_and_all() -> None:
    past = history(*((0, 2, day, True) for day in (1, 2, 3)))
    own, topic, kind, other = features(past, cards(2, 3, 5, 4), RULES, RATES)
    assert own[OF_RULE] == own[OF_TOPIC] == topic[OF_TOPIC] > own[OF_KIND] > own[OF_ALL] > 0
    assert topic[OF_RULE] == kind[OF_RULE] == kind[OF_TOPIC] == 0
    assert kind[OF_KIND] == own[OF_KIND]
    assert (other[OF_KIND], other[OF_ALL]) == (0, own[OF_ALL])
    assert own[SEEN] > topic[SEEN] == 0
    assert features(past, cards(2, person=1), RULES, RATES)[0, OF_ALL] == 0


def test_who_sees_and_does_not_open_likes_it_less() -> None:
    past = history(*((0, 2, day, False) for day in range(1, 30)))
    (found,) = features(past, cards(2), RULES, RATES)
    assert found[OF_RULE] < found[OF_ALL] < 0


def test_what_was_seen_long_ago_counts_less() -> None:
    soon, later = (
        features(history(*((0, 2, day + days, True) for days in range(4))), cards(2), RULES, RATES)[
            0
        ]
        for day in (1, 200)
    )
    assert soon[OF_RULE] > later[OF_RULE] > 0
    assert soon[SEEN] > later[SEEN] == 0


def test_sensitive_insights_feed_no_affinity_and_have_none() -> None:
    rules = insights(sensitive=frozenset({2}))
    past = history(*((0, 2, day, True) for day in range(1, 9)))
    own, other = features(past, cards(2, 5), rules, RATES)
    assert other[OF_ALL:].tolist() == [0, 0, 0, 0]
    assert own[SEEN:].tolist() == [0] * 7
    assert own[SCORE] == 6_000


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_rows_gives_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [
        (int(p), int(r), int(d), bool(c))
        for p, r, d, c in zip(
            random.integers(0, 5, 300),
            random.integers(0, 12, 300),
            random.integers(1, 400, 300),
            random.integers(0, 2, 300),
            strict=True,
        )
    ]
    mixed = [rows[one] for one in random.permutation(300)]
    wanted = Cards(
        random.integers(0, 5, 40),
        random.integers(0, 12, 40),
        *(random.integers(0, 2, 40) for _ in range(3)),
    )
    rates = random.integers(1, 3_000, 12)
    first = features(history(*rows), wanted, RULES, rates)
    assert (first == features(history(*mixed), wanted, RULES, rates)).all()
    assert (
        first[:, [AGE, CLICKED]]
        == np.stack([np.digitize(wanted.age, (1, 3, 7, 14)), wanted.clicked], 1)
    ).all()
