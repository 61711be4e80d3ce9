"""Guardrails of the learned order: a property for each, whatever a model says."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.insights import (
    MOMENT,
    TODAY,
    by_id,
    drawn_results,
    drawn_rules,
    names,
    policies,
    result,
    rule,
    shown,
)

from tuppence.feed.choice import Candidate, Draw, Outcome, Reader, choose
from tuppence.feed.items import Event, EventKind, ItemId, ItemState, Order, Told, with_event
from tuppence.feed.policy import URGENT, Policy, PolicyCap
from tuppence.results.result import Result, State
from tuppence.rules.rule import Rule


class Points:
    """Any points that a model may give. Implements the port Ordering."""

    def __init__(self, points: Mapping[str, int]) -> None:
        self._points = points
        self.eligible: list[str] = []

    def draw(self, eligible: Sequence[Candidate]) -> list[Draw]:
        self.eligible = [one.rule.id for one in eligible]
        return [
            Draw(Decimal(self._points[one.rule.id]), self._points[one.rule.id], 0.5, 0.5)
            for one in eligible
        ]


points = st.fixed_dictionaries({name: st.integers(-10_000, 10_000) for name in names})
seen_days = st.dictionaries(st.sampled_from(names), st.sets(st.integers(0, 5), min_size=1))
AFTER_DRAW = {Outcome.SHOWN, Outcome.SAME_TOPIC, Outcome.NO_PLACE, Outcome.NO_PROMOTION}


def states_of(days: Mapping[str, set[int]]) -> dict[ItemId, ItemState]:
    return {
        ItemId(name, TODAY - 6): ItemState(seen=tuple(sorted(TODAY - day for day in found)))
        for name, found in days.items()
    }


@given(drawn_rules, drawn_results, policies, points)
def test_no_points_change_the_order_of_what_is_urgent(
    rules: Mapping[str, Rule], results: Mapping[str, Result], policy: Policy, given_: dict[str, int]
) -> None:
    ordering = Points(given_)
    found = choose(results.values(), rules, Reader(), policy, MOMENT, ordering=ordering)
    placed = [one for one in found if one.place is not None and one.tier == URGENT]
    placed.sort(key=lambda one: one.place or 0)
    in_rule_order = sorted(placed, key=lambda one: (-(one.result.score or 0), one.rule.id))
    assert placed == in_rule_order


@given(drawn_rules, drawn_results, policies, points)
def test_no_points_change_a_tier(
    rules: Mapping[str, Rule], results: Mapping[str, Result], policy: Policy, given_: dict[str, int]
) -> None:
    """Check that points change neither who may be shown in a tier nor the order of tiers."""
    ordering, other = Points(given_), Points(dict.fromkeys(names, 0))
    found = choose(results.values(), rules, Reader(), policy, MOMENT, ordering=ordering)
    plain = choose(results.values(), rules, Reader(), policy, MOMENT, ordering=other)
    placed = sorted((one for one in found if one.place is not None), key=lambda one: one.place or 0)
    assert [one.tier for one in placed] == sorted(one.tier for one in placed)
    assert {one.rule.id: one.tier for one in found} == {one.rule.id: one.tier for one in plain}
    assert sorted(ordering.eligible) == sorted(other.eligible)
    assert {one.outcome for one in found if one.draw is not None} <= AFTER_DRAW
    for one in found:  # whoever has no place gives way to an earlier tier, or to more points
        if one.outcome is Outcome.NO_PLACE:
            assert all(
                (other.tier, -given_[other.rule.id]) <= (one.tier, -given_[one.rule.id])
                or other.tier == one.tier == URGENT
                for other in placed
            )


@given(drawn_rules, drawn_results, policies, points, st.sampled_from((True, False, None)))
def test_no_points_bring_a_promotion_beside_trouble(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    given_: dict[str, int],
    vulnerable: bool | None,
) -> None:
    reader = Reader(vulnerable=vulnerable)
    found = choose(results.values(), rules, reader, policy, MOMENT, ordering=Points(given_))
    promoted = [place for place, name in enumerate(shown(found)) if rules[name].promotes]
    assert promoted in ([], [len(shown(found)) - 1])
    trouble = any(
        one.state is not State.NOT_QUALIFIED and policy.tier(rules[one.rule_id]) == URGENT
        for one in results.values()
    )
    if vulnerable is not False or trouble:
        assert not promoted


@given(drawn_rules, drawn_results, policies, points, seen_days)
def test_no_points_break_a_cap(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    given_: dict[str, int],
    days: Mapping[str, set[int]],
) -> None:
    reader = Reader(states_of(days))
    found = choose(results.values(), rules, reader, policy, MOMENT, ordering=Points(given_))
    assert {one.outcome for one in found if one.draw is not None} <= AFTER_DRAW
    seen = [(item.rule_id, day) for item, state in reader.states.items() for day in state.seen]
    new = [
        one
        for one in found
        if one.place is not None and TODAY not in reader.states.get(one.item, ItemState()).seen
    ]
    for cap in policy.caps:
        for group in {cap.group(one.rule) for one in new if one.tier != URGENT} - {None}:
            past = [
                name
                for name, day in seen
                if cap.group(rules[name]) == group and TODAY - cap.days < day
            ]
            added = [one for one in new if cap.group(one.rule) == group]
            assert len(past) + len(added) <= cap.at_most


@given(points)
def test_what_was_not_helpful_stays_away(given_: dict[str, int]) -> None:
    rules = by_id(*(rule(name) for name in names))
    item = ItemId("a", TODAY)
    told, at = Told(TODAY, Decimal(50), {}), MOMENT.now
    event = Event(Order(at, at, "e"), EventKind.NOT_HELPFUL, item, "view")
    states = {item: with_event(ItemState(), event, told, TODAY)}
    found = choose(
        [result(name) for name in names],
        rules,
        Reader(states),
        Policy(places=5),
        MOMENT,
        ordering=Points({**given_, "a": 9_999}),
    )
    assert "a" not in shown(found)


def test_a_cap_of_a_kind_is_decided_before_the_draw() -> None:
    """Check that a cap of two tips lets the two with the highest scores into the draw."""
    rules = by_id(*(rule(name, kind="tip") for name in "abc"))
    policy = Policy(places=5, caps=[PolicyCap(of="kind", only="tip", at_most=2, days=7)])
    results = [result("a", "10"), result("b", "20"), result("c", "30")]
    ordering = Points({"a": 900, "b": 5, "c": 0})
    found = choose(results, rules, Reader(), policy, MOMENT, ordering=ordering)
    assert ordering.eligible == ["c", "b"]
    assert shown(found) == ["b", "c"]
    assert {one.rule.id: one.outcome for one in found}["a"] is Outcome.CAPPED
