"""Items and their states: events add up in any order."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuppence.errors import UserError
from tuppence.feed.items import (
    DAY,
    Event,
    EventKind,
    ItemId,
    ItemState,
    Order,
    Told,
    has_changed,
    item_id,
    with_event,
)

ITEM = ItemId("bank_fees", 20_000)


def told(**values: str) -> Told:
    return Told(20_000, Decimal(50), values)


def event(number: int, kind: EventKind, at: int, stated: int = 0) -> Event:
    until = at + DAY if kind is EventKind.SNOOZED else None
    return Event(Order(at, stated, f"e{number}"), kind, ITEM, "view", until)


def add(events: list[tuple[Event, Told]]) -> ItemState:
    state = ItemState()
    for one, said in events:
        state = with_event(state, one, said, one.order.at // DAY)
    return state


happened = st.lists(
    st.tuples(
        st.sampled_from(EventKind), st.integers(0, 5 * DAY), st.integers(0, 2), st.integers(1, 3)
    ),
    max_size=12,
)


@given(happened, st.randoms(use_true_random=False))
def test_late_repeated_and_reordered_events_add_up_to_the_same_state(
    drawn: list[tuple[EventKind, int, int, int]], shuffled: random.Random
) -> None:
    events = [
        (event(number, kind, at, stated), told(fees=str(fees)))
        for number, (kind, at, stated, fees) in enumerate(drawn)
    ]
    again = [*events, *shuffled.sample(events, len(events) // 2)]
    shuffled.shuffle(again)
    assert add(again) == add(events)


@given(happened)
def test_the_last_answer_counts_and_every_day_on_which_it_was_seen(
    drawn: list[tuple[EventKind, int, int, int]],
) -> None:
    events = [event(n, kind, at, stated) for n, (kind, at, stated, _) in enumerate(drawn)]
    state = add([(one, told()) for one in events])
    answers = [e for e in events if e.kind not in {EventKind.SEEN, EventKind.OPENED}]
    last = max(answers, key=lambda e: e.order, default=None)
    assert (state.answer and state.answer.kind) == (last and last.kind)
    undone = last is None or last.kind is EventKind.UNDONE
    assert state.answered is (None if undone or last is None else last.kind)
    days = {e.order.at // DAY for e in events if e.kind is not EventKind.UNDONE}
    assert state.seen == tuple(sorted(days))
    opened = [e.order.at for e in events if e.kind is EventKind.OPENED]
    assert state.opened == min(opened, default=None)


@pytest.mark.parametrize(
    ("before", "now", "change", "differs"),
    [
        ("100", "100", "any", False),
        ("100", "109.99", "10", False),
        ("100", "110", "10", True),
        ("100", "90", "10", True),
        ("-100", "-110", "10", True),
        ("0", "0.01", "10", True),
        ("100", "100.01", "0", True),
        ("100", "100.01", "any", True),
        ('"Quickline"', '"Pocket Tel"', "10", True),
        ('@"2026-06-30"', '@"2026-07-01"', "10", True),
        ("null", "100", "10", True),
    ],
)
def test_a_change_is_material_if_a_declared_value_changes_enough(
    before: str, now: str, change: str, differs: bool
) -> None:
    told_before, told_now = told(fees=before, other="1"), told(fees=now, other="2")
    assert has_changed(told_before, told_now, {"fees": change}) is differs
    assert not has_changed(told_before, told_now, {})
    assert has_changed(told(), told(fees=now), {"fees": change})


def test_the_identity_of_an_item_is_a_text() -> None:
    assert str(item_id("bank_fees.2024-10-04")) == "bank_fees.2024-10-04"
    assert item_id(str(ITEM)) == ITEM


@pytest.mark.parametrize(
    "text", ["", "bank_fees", ".2024-10-04", "a.2024-1-4", "a.2024-02-30", "a.b", "a.2024-10-04x"]
)
def test_other_texts_are_no_items(text: str) -> None:
    with pytest.raises(UserError, match="no item of a feed"):
        item_id(text)
