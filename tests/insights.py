"""Rules, results and feeds of one person, for tests of feeds."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tuppence.feed.choice import (
    Candidate,
    Moment,
)
from tuppence.feed.items import DAY
from tuppence.feed.policy import Policy, PolicyCap
from tuppence.results.result import Result, State
from tuppence.rules.rule import Approval, Cap, FeedSettings, Message, Rule

TODAY = 20_000
NOW = TODAY * DAY
MOMENT = Moment(TODAY, TODAY, NOW)
APPROVAL = Approval("Firm", "2020-01-01", "1")


def rule(name: str, **fields: Any) -> Rule:
    kind = fields.pop("kind", "insight")
    if fields.pop("promotes", False):
        fields |= {"communication": "financial promotion", "approval": APPROVAL}
    return Rule(name, kind, name, "true", "1", Message("x", "x"), **fields)


def result(name: str, score: str = "50", since: int = TODAY, **values: Any) -> Result:
    return Result(name, State.QUALIFIED, Decimal(score), values, since)


def by_id(*rules: Rule) -> dict[str, Rule]:
    return {one.id: one for one in rules}


def shown(found: Iterable[Candidate]) -> list[str]:
    placed = sorted((one.place, one.rule.id) for one in found if one.place is not None)
    assert [place for place, _ in placed] == list(range(len(placed)))
    return [name for _, name in placed]


names = ("a", "b", "c", "d", "e", "f")


drawn_rules = st.fixed_dictionaries(
    {
        name: st.builds(
            lambda kind, topic, tier, cap, promotes, expires, cooldown, name=name: rule(
                name,
                kind=kind,
                topic=topic,
                promotes=promotes,
                expires_after_days=expires,
                cooldown_days=cooldown,
                feed=FeedSettings(tier=None if promotes else tier, cap=cap),
            ),
            st.sampled_from(("insight", "saving", "offer", "tip")),
            st.sampled_from((None, "t", "u")),
            st.sampled_from((None, None, 1, 2, 3)),
            st.sampled_from((None, None, Cap(at_most=2, days=5))),
            st.sampled_from((False, False, True)),
            st.integers(1, 30),
            st.sampled_from((0, 0, 5)),
        )
        for name in names
    }
)


drawn_results = st.fixed_dictionaries(
    {
        name: st.builds(
            lambda state, score, since, name=name: Result(
                name,
                state,
                Decimal(score) if state is State.QUALIFIED else None,
                {"x": Decimal(score)} if state is State.QUALIFIED else {},
                TODAY - since,
            ),
            st.sampled_from((*State, State.QUALIFIED)),
            st.integers(0, 3),
            st.integers(0, 40),
        )
        for name in names
    }
)


policies = st.builds(
    lambda places, caps: Policy(places=places, caps=caps, brings_back={"insight": "20"}),
    st.integers(1, 4),
    st.lists(
        st.builds(
            PolicyCap,
            at_most=st.integers(1, 4),
            days=st.integers(1, 5),
            of=st.sampled_from(("insight", "topic", "kind", "promotions", "everything")),
        ),
        max_size=3,
    ),
)
