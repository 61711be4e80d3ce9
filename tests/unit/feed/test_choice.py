"""The choice of a feed's items: a property for each of its rules."""

import random
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
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

from tuppence.feed.choice import (
    Candidate,
    Moment,
    Outcome,
    Reader,
    choose,
    items_away,
    told_by,
)
from tuppence.feed.items import DAY, Event, EventKind, ItemId, ItemState, Order, with_event
from tuppence.feed.policy import PROMOTIONS, STANDARD, URGENT, Policy, PolicyCap
from tuppence.feed.preferences import Preferences
from tuppence.results.result import Result, State
from tuppence.rules.rule import Approval, Cap, FeedSettings, Rule

OPEN = Policy(places=5)


def outcomes(found: Iterable[Candidate]) -> dict[str, Outcome]:
    return {one.rule.id: one.outcome for one in found}


def after(
    candidate: Candidate,
    kind: EventKind,
    at: int = NOW,
    until: int | None = None,
    state: ItemState | None = None,
) -> ItemState:
    """Return the state after an event about a candidate, at a time of the clock."""
    event = Event(Order(at, at, f"{kind} {at}"), kind, candidate.item, "view", until)
    return with_event(state or ItemState(), event, told_by(candidate, TODAY), at // DAY)


@given(drawn_rules, drawn_results, policies, st.randoms(use_true_random=False))
def test_every_qualified_insight_has_an_outcome_whatever_the_order_of_the_results(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    shuffled: random.Random,
) -> None:
    found = choose(results.values(), rules, Reader(), policy, MOMENT)
    others = list(results.values())
    shuffled.shuffle(others)
    assert choose(others, rules, Reader(), policy, MOMENT) == found
    qualified = {one.rule_id for one in results.values() if one.state is State.QUALIFIED}
    assert {one.rule.id for one in found} == qualified
    assert [one.key for one in found] == sorted(one.key for one in found)
    assert all((one.place is None) == (one.outcome is not Outcome.SHOWN) for one in found)
    order = [one.rule.id for one in found]
    assert shown(found) == [name for name in order if name in shown(found)]
    left = [one for one in found if one.outcome is Outcome.NO_PLACE]
    assert len(shown(found)) == policy.places if left else len(shown(found)) <= policy.places
    topics = [rules[name].topic for name in shown(found) if rules[name].topic]
    assert len(topics) == len(set(topics))


@given(drawn_rules, drawn_results, policies, st.sampled_from((True, False, None)))
def test_promotions_are_last_at_most_one_and_none_beside_trouble(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    vulnerable: bool | None,
) -> None:
    found = choose(results.values(), rules, Reader(vulnerable=vulnerable), policy, MOMENT)
    promoted = [place for place, name in enumerate(shown(found)) if rules[name].promotes]
    assert promoted in ([], [len(shown(found)) - 1])
    trouble = [
        one
        for one in results.values()
        if one.state is not State.NOT_QUALIFIED and policy.tier(rules[one.rule_id]) == URGENT
    ]
    if vulnerable is not False or trouble:
        assert not promoted
    assert all(one.tier == PROMOTIONS for one in found if one.rule.promotes)


def test_a_promotion_is_shown_where_nothing_speaks_against_it() -> None:
    rules = by_id(rule("a", promotes=True), rule("b", promotes=True), rule("c"))
    results = [result("a", "9"), result("b", "8"), result("c", "1")]
    assert shown(choose(results, rules, Reader(), OPEN, MOMENT)) == ["c", "a"]
    urgent = rules | by_id(rule("u", feed=FeedSettings(tier=1)))
    found = choose([*results, result("u", "1")], urgent, Reader(), OPEN, MOMENT)
    assert outcomes(found)["a"] is Outcome.NO_PROMOTION
    withdrawn = frozenset({"u"})
    found = choose([*results, result("u", "1")], urgent, Reader(), OPEN, MOMENT, withdrawn)
    assert shown(found) == ["c"], "a withdrawal does not say that nobody is in trouble"
    unknown = Result("u", State.UNKNOWN, None, {}, TODAY)
    found = choose([*results, unknown], urgent, Reader(), OPEN, MOMENT)
    assert shown(found) == ["c"], "nothing is advertised where trouble is possible"
    clear = Result("u", State.NOT_QUALIFIED, None, {}, TODAY)
    assert shown(choose([*results, clear], urgent, Reader(), OPEN, MOMENT)) == ["c", "a"]


def test_a_promotion_that_is_unknown_tonight_is_not_shown() -> None:
    rules = by_id(rule("a", promotes=True), rule("b"))
    found = choose([result("a"), result("b")], rules, Reader(), OPEN, MOMENT)
    states = {one.item: after(one, EventKind.SEEN) for one in found}
    failed = [Result(name, State.UNKNOWN, None, {}, TODAY) for name in rules]
    assert shown(choose(failed, rules, Reader(states), OPEN, MOMENT)) == ["b"]


@given(drawn_rules, drawn_results, policies, st.integers(1, 12), st.booleans())
def test_no_cap_is_ever_exceeded_by_what_a_person_sees(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    days: int,
    twice: bool,
) -> None:
    """A person looks at every feed, for some days, once or twice a day."""
    states: dict[ItemId, ItemState] = {}
    seen: list[tuple[int, Candidate]] = []
    for today in range(TODAY, TODAY + days):
        moment = Moment(today, today, today * DAY)
        for _ in range(1 + twice):
            found = choose(results.values(), rules, Reader(states), policy, moment)
            for one in found:
                if one.outcome is Outcome.SHOWN:
                    state = states.get(one.item)
                    states[one.item] = after(one, EventKind.SEEN, moment.now, state=state)
                    if (today, one) not in [(day, other) for day, other in seen]:
                        seen.append((today, one._replace(outcome=Outcome.SHOWN, place=None)))
    looked = {(day, one.item): one for day, one in seen}
    for (day, _), one in looked.items():
        own = one.rule.feed_settings.cap
        mine = [d for (d, item) in looked if item.rule_id == one.rule.id]
        assert own is None or sum(day - own.days < d <= day for d in mine) <= own.at_most
        for cap in policy.caps:
            group = cap.group(one.rule)
            if group is None or one.tier == URGENT:
                continue
            counted = [
                d
                for (d, item), other in looked.items()
                if cap.group(other.rule) == group and day - cap.days < d <= day
            ]
            urgent = [
                d
                for (d, item), other in looked.items()
                if cap.group(other.rule) == group
                and day - cap.days < d <= day
                and other.tier == URGENT
            ]
            assert len(counted) <= cap.at_most + len(urgent)


def test_what_is_capped_gives_way_to_the_next_one() -> None:
    rules = by_id(rule("a", kind="offer"), rule("b", kind="offer"), rule("c"))
    results = [result("a", "9"), result("b", "8"), result("c", "7")]
    policy = Policy(places=2, caps=[PolicyCap(of="kind", only="offer", at_most=1, days=7)])
    found = choose(results, rules, Reader(), policy, MOMENT)
    assert shown(found) == ["a", "c"]
    assert outcomes(found)["b"] is Outcome.CAPPED
    states = {found[0].item: after(found[0], EventKind.SEEN)}
    assert shown(choose(results, rules, Reader(states), policy, MOMENT)) == ["a", "c"]
    for days, expected in ((1, ["c"]), (6, ["c"]), (7, ["a", "c"])):
        later = Moment(TODAY + days, TODAY + days, NOW + days * DAY)
        assert shown(choose(results, rules, Reader(states), policy, later)) == expected


def test_urgent_insights_are_held_back_by_their_own_cap_only() -> None:
    settings = FeedSettings(tier=1)
    policy = Policy(caps=[PolicyCap(of="everything", at_most=1, days=7)])
    rules = by_id(rule("a", feed=settings), rule("b", feed=settings), rule("c"))
    results = [result("a"), result("b"), result("c")]
    found = choose(results, rules, Reader(), policy, MOMENT)
    assert shown(found) == ["a", "b"]
    own = by_id(rule("a", feed=FeedSettings(tier=1, cap=Cap(at_most=1, days=2))))
    states = {found[0].item: after(found[0], EventKind.SEEN, NOW - DAY)}
    assert outcomes(choose(results, own, Reader(states), policy, MOMENT)) == {"a": Outcome.CAPPED}


def test_what_was_seen_counts_even_after_its_rule_was_retired() -> None:
    policy = Policy(caps=[PolicyCap(of="everything", at_most=1, days=7)])
    states = {ItemId("retired", TODAY - 1): ItemState(seen=(TODAY - 1,))}
    found = choose([result("a")], by_id(rule("a")), Reader(states), policy, MOMENT)
    assert outcomes(found) == {"a": Outcome.CAPPED}


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 100))
def test_an_acknowledgement_covers_the_numbers_that_were_seen(
    before: int, now: int, percent: int
) -> None:
    rules = by_id(rule("a", feed=FeedSettings(brings_back={"x": str(percent)})))
    (seen,) = choose([result("a", x=Decimal(before))], rules, Reader(), OPEN, MOMENT)
    for kind in (EventKind.ACKNOWLEDGED, EventKind.ACTED):
        reader = Reader({seen.item: after(seen, kind)})
        same = choose([result("a", x=Decimal(before))], rules, reader, OPEN, MOMENT)
        assert outcomes(same) == {"a": Outcome(kind.value)}
        changed = choose([result("a", x=Decimal(now))], rules, reader, OPEN, MOMENT)
        material = now != before and abs(now - before) * 100 >= percent * before
        assert (shown(changed) == ["a"]) is material


@pytest.mark.parametrize(("kind", "returns"), [("saving", True), ("tip", False)])
def test_the_policy_says_which_kinds_come_back(kind: str, returns: bool) -> None:
    rules = by_id(rule("a", kind=kind))
    (seen,) = choose([result("a", x=Decimal(100))], rules, Reader(), STANDARD, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.ACKNOWLEDGED)})
    found = choose([result("a", x=Decimal(120))], rules, reader, STANDARD, MOMENT)
    assert (shown(found) == ["a"]) is returns


@given(st.integers(1, 40 * DAY), st.integers(-2, 50 * DAY))
def test_a_snoozed_item_is_away_until_the_time_is_over(until: int, later: int) -> None:
    rules = by_id(rule("a", expires_after_days=100))
    (seen,) = choose([result("a")], rules, Reader(), OPEN, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.SNOOZED, until=NOW + until)})
    moment = Moment(TODAY + max(later, 0) // DAY, TODAY + max(later, 0) // DAY, NOW + later)
    found = choose([result("a")], rules, reader, OPEN, moment)
    assert outcomes(found) == {"a": Outcome.SNOOZED if later < until else Outcome.SHOWN}


@given(st.integers(0, 130))
def test_what_was_not_helpful_stays_away_in_later_turns_too(days: int) -> None:
    rules = by_id(rule("a", expires_after_days=10, cooldown_days=1))
    (seen,) = choose([result("a")], rules, Reader(), OPEN, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.NOT_HELPFUL)})
    moment = Moment(TODAY + days, TODAY + days, NOW + days * DAY)
    (found,) = choose([result("a")], rules, reader, OPEN, moment)
    if days % 11 == 10:
        assert found.outcome is Outcome.RESTING
    else:
        assert found.outcome is (Outcome.MUTED if days < OPEN.mute_days else Outcome.SHOWN)
    assert (found.item == seen.item) is (days < 11)


@given(
    drawn_rules,
    drawn_results,
    policies,
    st.dictionaries(
        st.sampled_from(names), st.tuples(st.sampled_from(EventKind), st.integers(0, 70 * DAY))
    ),
    st.integers(0, 3 * DAY),
)
def test_within_a_day_the_clock_decides_only_what_is_away(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    done: Mapping[str, tuple[EventKind, int]],
    later: int,
) -> None:
    states = {
        one.item: after(one, kind, NOW - ago, NOW + DAY)
        for one in choose(results.values(), rules, Reader(), policy, MOMENT)
        for kind, ago in [done.get(one.rule.id, (EventKind.SEEN, 0))]
    }
    reader, same_day = Reader(states), MOMENT._replace(now=NOW + later)
    same = items_away(states, policy, NOW) == items_away(states, policy, NOW + later)
    assume(same)
    found = choose(results.values(), rules, reader, policy, MOMENT)
    assert choose(results.values(), rules, reader, policy, same_day) == found


def test_what_is_away_is_so_until_its_moment() -> None:
    rules = by_id(rule("a"))
    (seen,) = choose([result("a")], rules, Reader(), OPEN, MOMENT)
    ends = {EventKind.SNOOZED: NOW + DAY, EventKind.NOT_HELPFUL: NOW + OPEN.mute_days * DAY}
    for kind in EventKind:
        states = {seen.item: after(seen, kind, until=NOW + DAY)}
        end = ends.get(kind, NOW)
        assert bool(items_away(states, OPEN, end - 1)) is (kind in ends)
        assert not items_away(states, OPEN, end)


@given(st.sampled_from(sorted({*EventKind} - {EventKind.SEEN, EventKind.OPENED})))
def test_an_answer_that_is_undone_leaves_nothing_behind(kind: EventKind) -> None:
    rules = by_id(rule("a"), rule("b"))
    results = [result("a"), result("b")]
    one, _ = choose(results, rules, Reader(), OPEN, MOMENT)
    answered = after(one, kind, until=NOW + DAY)
    undone = after(one, EventKind.UNDONE, NOW + 1, state=answered)
    found = choose(results, rules, Reader({one.item: undone}), OPEN, MOMENT)
    assert outcomes(found) == {"a": Outcome.SHOWN, "b": Outcome.SHOWN}


def test_a_new_turn_is_a_new_item() -> None:
    rules = by_id(rule("a", expires_after_days=10, cooldown_days=5))
    (seen,) = choose([result("a")], rules, Reader(), OPEN, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.ACKNOWLEDGED)})
    for days, expected in (
        (9, Outcome.ACKNOWLEDGED),
        (10, Outcome.RESTING),
        (15, Outcome.SHOWN),
    ):
        moment = Moment(TODAY + days, TODAY + days, NOW + days * DAY)
        (found,) = choose([result("a")], rules, reader, OPEN, moment)
        assert found.outcome is expected
    assert found.item == ItemId("a", TODAY + 15)


def test_a_person_decides_which_kinds_and_topics_they_see() -> None:
    rules = by_id(rule("a", kind="tip"), rule("b", topic="t"), rule("c"))
    results = [result("a"), result("b"), result("c")]
    reader = Reader(preferences=Preferences(["tip"], ["t"]))
    found = choose(results, rules, reader, OPEN, MOMENT)
    assert shown(found) == ["c"]
    assert outcomes(found)["a"] is outcomes(found)["b"] is Outcome.TURNED_OFF


@given(drawn_rules, drawn_results, policies, st.sets(st.sampled_from(names)))
def test_what_is_withdrawn_is_never_shown(
    rules: Mapping[str, Rule],
    results: Mapping[str, Result],
    policy: Policy,
    withdrawn: set[str],
) -> None:
    found = choose(results.values(), rules, Reader(), policy, MOMENT, frozenset(withdrawn))
    assert not {*shown(found)} & withdrawn
    mine = {one.rule.id for one in found if one.outcome is Outcome.WITHDRAWN}
    assert mine == {one.rule.id for one in found} & withdrawn


@given(drawn_rules, drawn_results, policies)
def test_a_rule_that_fails_takes_nothing_back(
    rules: Mapping[str, Rule], results: Mapping[str, Result], policy: Policy
) -> None:
    """All rules fail on the next night: what was seen stays as it was, with its day."""
    moment = Moment(TODAY, TODAY, NOW)
    found = choose(results.values(), rules, Reader(), policy, moment)
    states = {one.item: after(one, EventKind.SEEN) for one in found if one.outcome is Outcome.SHOWN}
    failed = [
        Result(
            name,
            State.UNKNOWN,
            None,
            {},
            one.since if one.state is State.QUALIFIED else TODAY + 1,
        )
        for name, one in results.items()
    ]
    later = Moment(TODAY + 1, TODAY, NOW)
    kept = choose(failed, rules, Reader(states), policy, later)
    still = [
        name
        for name in shown(found)
        if TODAY + 1 - found[[o.rule.id for o in found].index(name)].item.turn
        < rules[name].expires_after_days
        and not rules[name].promotes
    ]
    assert [one.rule.id for one in kept] == still
    before = {one.rule.id: one for one in found}
    for one in kept:
        assert one.item == before[one.rule.id].item
        assert one.result.values == before[one.rule.id].result.values
        assert one.as_of == TODAY


def test_what_had_cleared_does_not_come_back_when_its_rule_fails() -> None:
    (seen,) = choose([result("a")], by_id(rule("a")), Reader(), OPEN, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.SEEN)})
    later = Moment(TODAY + 3, TODAY + 3, NOW + 3 * DAY)
    for since, expected in ((TODAY, ["a"]), (TODAY + 3, [])):
        failed = [Result("a", State.UNKNOWN, None, {}, since)]
        assert shown(choose(failed, by_id(rule("a")), reader, OPEN, later)) == expected


def test_a_rule_that_fails_shows_nothing_that_was_never_seen() -> None:
    failed = [Result("a", State.UNKNOWN, None, {}, TODAY)]
    assert choose(failed, by_id(rule("a")), Reader(), OPEN, MOMENT) == ()
    gone = [Result("a", State.NOT_QUALIFIED, None, {}, TODAY)]
    (seen,) = choose([result("a")], by_id(rule("a")), Reader(), OPEN, MOMENT)
    reader = Reader({seen.item: after(seen, EventKind.SEEN)})
    assert choose(gone, by_id(rule("a")), reader, OPEN, MOMENT) == ()


def test_an_expired_approval_counts_on_the_day_of_the_clock() -> None:
    approval = Approval("Firm", "2020-01-01", "1", until="2024-10-03")
    rules = by_id(msgspec.structs.replace(rule("a", promotes=True), approval=approval))
    for today, expected in ((TODAY - 1, Outcome.SHOWN), (TODAY, Outcome.NOT_IN_FORCE)):
        moment = Moment(TODAY - 1, today, NOW)
        found = choose([result("a", since=TODAY - 1)], rules, Reader(), OPEN, moment)
        assert outcomes(found) == {"a": expected}


def test_insights_are_ordered_by_tier_score_and_name() -> None:
    rules = by_id(rule("a"), rule("b"), rule("c", feed=FeedSettings(tier=1)), rule("d"))
    none = msgspec.structs.replace(result("d"), score=None)
    results = [result("b", "5"), result("a", "5"), result("c", "1"), none]
    assert shown(choose(results, rules, Reader(), OPEN, MOMENT)) == ["c", "a", "b", "d"]
    tiers = Policy(tiers={"insight": 3})
    assert [one.tier for one in choose(results, rules, Reader(), tiers, MOMENT)] == [1, 3, 3, 3]


def test_results_of_rules_that_are_gone_are_left_out() -> None:
    assert choose([result("a")], {}, Reader(), OPEN, MOMENT) == ()
    unwritable = choose(
        [result("a")], by_id(rule("a")), Reader(), OPEN, MOMENT, unwritable=frozenset({"a"})
    )
    assert outcomes(unwritable) == {"a": Outcome.UNWRITABLE}
