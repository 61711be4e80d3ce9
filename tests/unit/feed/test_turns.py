"""Turns of insights: when they are shown, when they rest, and when they are shown again."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tuppence.feed.turns import is_due, turn_of, variant_index
from tuppence.rules.rule import Message, Rule

RULE = Rule("a", "tip", "a", "true", "1", Message("x", "x"), expires_after_days=2)
rules = st.builds(
    lambda expires, cooldown: msgspec.structs.replace(
        RULE, expires_after_days=expires, cooldown_days=cooldown
    ),
    st.integers(1, 20),
    st.integers(0, 20),
)


def test_an_insight_expires_and_returns_after_its_cooldown() -> None:
    rule = msgspec.structs.replace(RULE, cooldown_days=3)
    assert [is_due(rule, days) for days in range(8)] == [
        True, True, False, False, False, True, True, False,
    ]  # fmt: skip
    assert [is_due(RULE, days) for days in (1, 2, 5)] == [True, False, False]


@given(rules, st.integers(0, 30_000), st.integers(0, 200))
def test_an_item_keeps_its_identity_while_it_is_shown_and_gets_another_one_afterwards(
    rule: Rule, since: int, days: int
) -> None:
    first = turn_of(rule, since, since + days)
    assert first <= since + days
    assert is_due(rule, days) == (since + days - first < rule.expires_after_days)
    if rule.cooldown_days:
        length = rule.expires_after_days + rule.cooldown_days
        assert (first - since) % length == 0
        assert turn_of(rule, since, first + length) == first + length
        assert turn_of(rule, since, first + length - 1) == first
    else:
        assert first == since


def test_the_wording_changes_with_every_turn() -> None:
    rule = msgspec.structs.replace(RULE, cooldown_days=5)
    days = [variant_index(rule, 100, 100 + day) for day in (0, 2, 6, 7, 14)]
    assert days == [100, 100, 100, 101, 102]
