"""The life of an item: a property for each of its steps, whatever a person did before."""

from collections.abc import Mapping, Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.insights import (
    MOMENT,
    NOW,
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
from tests.unit.feed.test_choice import OPEN, after, outcomes

from tuppence.feed.choice import Candidate, Moment, Outcome, Reader, choose
from tuppence.feed.items import DAY, EventKind, ItemId, ItemState
from tuppence.feed.policy import URGENT, Policy
from tuppence.feed.preferences import Preferences
from tuppence.feed.turns import is_due
from tuppence.results.result import Result, State
from tuppence.rules.rule import Rule

Done = Mapping[str, Sequence[tuple[EventKind, int]]]
done_before = st.dictionaries(
    st.sampled_from(names),
    st.lists(
        st.tuples(st.sampled_from(EventKind), st.integers(0, 20 * DAY)), min_size=1, max_size=4
    ),
)
"""Events by rule, each with the time since it happened."""


def states_after(found: Sequence[Candidate], done: Done) -> dict[ItemId, ItemState]:
    """Return the states after events about the items of a feed; snoozes end a day from now."""
    states = dict[ItemId, ItemState]()
    for one in found:
        for kind, ago in done.get(one.rule.id, ()):
            before = states.get(one.item)
            states[one.item] = after(one, kind, NOW - ago, NOW + DAY, before)
    return states


@examples(25, 2_000)
@given(drawn_rules, drawn_results, policies, done_before)
def test_what_no_longer_qualifies_is_gone_whatever_was_done(
    rules: Mapping[str, Rule], results: Mapping[str, Result], policy: Policy, done: Done
) -> None:
    before = choose(results.values(), rules, Reader(), policy, MOMENT)
    states = states_after(before, done)
    cleared = [
        Result(name, State.NOT_QUALIFIED, None, {}, TODAY) if name in done else one
        for name, one in results.items()
    ]
    found = choose(cleared, rules, Reader(states), policy, MOMENT)
    assert not {one.rule.id for one in found} & done.keys()


@examples(25, 2_000)
@given(drawn_rules, drawn_results, policies, done_before, st.integers(0, 60))
def test_what_has_expired_or_rests_is_not_shown_whatever_was_done(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    done: Done,
    days: int,
) -> None:
    states = states_after(choose(results.values(), rules, Reader(), policy, MOMENT), done)
    later = Moment(TODAY + days, TODAY + days, NOW + days * DAY)
    for one in choose(results.values(), rules, Reader(states), policy, later):
        is_over = not is_due(one.rule, later.day - one.result.since)
        gone = Outcome.RESTING if one.rule.cooldown_days else Outcome.EXPIRED
        assert (one.outcome in {Outcome.RESTING, Outcome.EXPIRED}) is is_over
        if is_over:
            assert (one.outcome, one.place) == (gone, None)
        else:
            assert 0 <= later.day - one.item.turn < one.rule.expires_after_days


@examples(25, 2_000)
@given(drawn_rules, drawn_results, policies, st.sets(st.sampled_from(names)), st.booleans())
def test_looking_at_a_feed_does_not_change_it_on_the_same_day(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    looked: set[str],
    opened: bool,
) -> None:
    kind = EventKind.OPENED if opened else EventKind.SEEN
    found = choose(results.values(), rules, Reader(), policy, MOMENT)
    seen = [one for one in found if one.outcome is Outcome.SHOWN and one.rule.id in looked]
    states = {one.item: after(one, kind) for one in seen}
    again = choose(results.values(), rules, Reader(states), policy, MOMENT)
    assert shown(again) == shown(found)


@examples(25, 2_000)
@given(drawn_rules, drawn_results, policies, done_before)
def test_whatever_is_held_back_gives_way_to_the_next(
    rules: Mapping[str, Rule], results: Mapping[str, Result], policy: Policy, done: Done
) -> None:
    """A feed is as if what it holds back did not apply; only urgent insights keep offers away."""
    states = states_after(choose(results.values(), rules, Reader(), policy, MOMENT), done)
    found = choose(results.values(), rules, Reader(states), policy, MOMENT)
    held_back = {
        one.rule.id for one in found if one.outcome is not Outcome.SHOWN and one.tier != URGENT
    }
    rest = [one for name, one in results.items() if name not in held_back]
    assert shown(choose(rest, rules, Reader(states), policy, MOMENT)) == shown(found)


@examples(25, 2_000)
@given(
    drawn_rules,
    drawn_results,
    policies,
    st.sets(st.sampled_from(("insight", "saving", "offer", "tip"))),
    st.sets(st.sampled_from(("t", "u"))),
)
def test_what_a_person_turned_off_is_not_shown_until_they_turn_it_on(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    kinds: set[str],
    topics: set[str],
) -> None:
    chosen = msgspec.convert(
        {"kinds_off": sorted(kinds), "topics_off": sorted(topics)}, Preferences
    )
    found = choose(results.values(), rules, Reader(preferences=chosen), policy, MOMENT)
    for one in found:
        is_off = one.rule.kind in kinds or one.rule.topic in topics
        if one.outcome not in {Outcome.EXPIRED, Outcome.RESTING, Outcome.NOT_IN_FORCE}:
            assert (one.outcome is Outcome.TURNED_OFF) is is_off
        assert not (is_off and one.place is not None)


@examples(25, 2_000)
@given(st.lists(st.tuples(st.sampled_from(EventKind), st.integers(0, DAY)), min_size=1, max_size=5))
def test_undoing_the_last_answer_brings_an_item_back_whatever_came_before(
    events: Sequence[tuple[EventKind, int]],
) -> None:
    rules, results = by_id(rule("a")), [result("a")]
    (one,) = choose(results, rules, Reader(), OPEN, MOMENT)
    states = states_after([one], {"a": events})
    undone = after(one, EventKind.UNDONE, NOW + 1, state=states[one.item])
    later = MOMENT._replace(now=NOW + 1)
    found = choose(results, rules, Reader({one.item: undone}), OPEN, later)
    assert outcomes(found) == {"a": Outcome.SHOWN}
