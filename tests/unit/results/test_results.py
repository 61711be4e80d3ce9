"""Packing and merging of results."""

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from tuppence.errors import UserError
from tuppence.feel import feel_literal
from tuppence.feel.values import Date
from tuppence.results.batch import ResultBatch, merge_results, narrowed
from tuppence.results.columns import unpack_states
from tuppence.results.packed import SUSPENDED, UNKNOWN, Grid, Layout, check_day, pack, pack_all
from tuppence.results.result import CustomerResults, Result, State, packed, rounded
from tuppence.usecases.ledger import ProblemCount, Tally, add


def result(rule: str, state: State = State.QUALIFIED, score: str = "1", since: int = 10) -> Result:
    return Result(rule, state, Decimal(score) if state is State.QUALIFIED else None, {}, since)


def batch(*results: Result, as_of: int = 10, ruleset: str = "digest") -> ResultBatch:
    names = tuple((r.rule_id, tuple(r.values)) for r in results)
    data = np.frombuffer(pack([packed(r) for r in results]), np.uint8)
    return ResultBatch(("ann",), as_of, Layout(ruleset, names), data, np.array([0, len(data)]))


def row(*results: Result, as_of: int = 10, ruleset: str = "digest") -> CustomerResults:
    (only,) = batch(*results, as_of=as_of, ruleset=ruleset).rows()
    return only


def test_packed_results_are_unpacked_unchanged() -> None:
    values = {
        "number": Decimal("-12.3456"), "whole": Decimal(7), "huge": Decimal("1E+20"), "text": "é",
        "day": Date(-3), "yes": True, "none": None, "list": [Decimal(1), "x"],
    }  # fmt: skip
    one = Result("a", State.QUALIFIED, Decimal("99.9999"), values, 65_535)
    others = [
        Result("b", State.QUALIFIED, None, {}, 0),
        result("c", State.NOT_QUALIFIED),
        result("d", State.UNKNOWN),
        Result("e", State.UNKNOWN, None, {}, 4, suspended=True),
    ]
    assert list(row(one, *others).results) == [one, *others]


def test_all_results_are_new_for_an_empty_store() -> None:
    fresh = batch(result("a"), result("b", State.UNKNOWN))
    found = merge_results({}, fresh)
    assert found.rows == list(fresh.rows())
    assert [found.changed.tolist(), found.qualified.tolist(), found.unknown.tolist()] == [
        [2],
        [1],
        [1],
    ]


def test_an_unchanged_state_keeps_its_first_day() -> None:
    before = row(result("a", since=3), result("b", since=3), result("c", since=3), as_of=9)
    found = merge_results(
        {"ann": before}, batch(result("a"), result("b", State.UNKNOWN), result("c", score="2"))
    )
    assert [r.since for r in found.rows[0].results] == [3, 3, 3]
    assert found.changed == 2


def test_an_unknown_result_has_the_day_of_the_qualified_one_before_it_and_no_other() -> None:
    for state, day in ((State.QUALIFIED, 3), (State.NOT_QUALIFIED, 10)):
        before = row(result("a", state, since=3), as_of=9)
        (after,) = merge_results({"ann": before}, batch(result("a", State.UNKNOWN))).rows
        is_suspended = state is State.QUALIFIED
        assert [(r.since, r.suspended) for r in after.results] == [(day, is_suspended)]
        states = unpack_states(after.layout, [after])
        stored = SUSPENDED if is_suspended else UNKNOWN
        assert (states.states.tolist(), states.since.tolist()) == ([[stored]], [[day]])


def test_a_state_that_does_not_exist_is_damage() -> None:
    (kept,) = merge_results({}, batch(result("a"))).rows
    broken = msgspec.structs.replace(kept, packed=bytes([4]) + kept.packed[1:])
    with pytest.raises(UserError, match="damaged"):
        list(broken.results)
    with pytest.raises(UserError, match="damaged"):
        unpack_states(broken.layout, [broken])


@pytest.mark.parametrize(
    ("states", "since"),
    [
        ((State.QUALIFIED, State.UNKNOWN, State.QUALIFIED), 0),
        ((State.QUALIFIED, State.UNKNOWN, State.UNKNOWN, State.QUALIFIED), 0),
        ((State.NOT_QUALIFIED, State.UNKNOWN, State.QUALIFIED), 2),
        ((State.UNKNOWN, State.QUALIFIED), 1),
        ((State.QUALIFIED, State.UNKNOWN, State.NOT_QUALIFIED), 2),
        ((State.QUALIFIED, State.NOT_QUALIFIED, State.UNKNOWN, State.QUALIFIED), 3),
        ((State.QUALIFIED, State.UNKNOWN, State.NOT_QUALIFIED, State.UNKNOWN), 3),
    ],
)
@pytest.mark.parametrize("narrows", [False, True])
def test_a_night_that_cannot_tell_does_not_end_what_holds(
    states: tuple[State, ...], since: int, narrows: bool
) -> None:
    rows: dict[str, CustomerResults] = {}
    for night, state in enumerate(states):
        fresh = batch(
            result("a", state, since=night),
            *([] if narrows and night else [result("b", since=night)]),
            as_of=night,
        )
        found = merge_results(narrowed(fresh.layout, rows), fresh)
        assert found.unknown.tolist() == [state is State.UNKNOWN]
        rows |= {one.customer_id: one for one in found.rows}
    assert next((r.state, r.since) for r in rows["ann"].results) == (states[-1], since)


def test_unchanged_results_are_not_written_again() -> None:
    before = row(result("a", since=3), result("b", State.UNKNOWN, since=4), as_of=9)
    found = merge_results({"ann": before}, batch(result("a"), result("b", State.UNKNOWN)))
    assert found.rows == []
    assert [found.changed.tolist(), found.qualified.tolist(), found.unknown.tolist()] == [
        [0],
        [1],
        [1],
    ]


def test_added_and_removed_rules_count_as_changes() -> None:
    before = row(result("a", since=3), result("b", since=3), ruleset="old")
    found = merge_results({"ann": before}, batch(result("b"), result("c")))
    assert [(r.rule_id, r.since) for r in found.rows[0].results] == [("b", 3), ("c", 10)]
    assert found.changed == 2


def test_a_different_value_counts_as_a_change() -> None:
    def holding(**values: Any) -> Result:
        return Result("a", State.QUALIFIED, Decimal(1), values, 10)

    for old, new in (
        ({"x": "a"}, {"x": "b"}),
        ({"x": Decimal(1)}, {"x": None}),
        ({"x": "a"}, {"y": "a"}),
    ):
        assert (
            merge_results(
                {"ann": row(holding(**old))}, batch(holding(**new), ruleset="new")
            ).changed
            == 1
        )
    assert (
        merge_results({"ann": row(holding(x="a"))}, batch(holding(x="a"), ruleset="new")).changed
        == 0
    )


def test_older_results_never_replace_newer_ones() -> None:
    with pytest.raises(UserError, match="as of 1970-01-12, later than 1970-01-11") as caught:
        merge_results({"ann": row(as_of=11)}, batch(as_of=10))
    assert caught.value.code == "results.older"


def test_packing_many_customers_equals_packing_each() -> None:
    layout = Layout("digest", (("a", ("x", "y")), ("b", ()), ("c", ("z",))))
    grid = Grid(
        np.array([[1, 0], [2, 1], [1, 2]], np.uint8),
        np.array([[500_000, 0], [0, -1], [0, 0]], np.int32),
        np.array([[123_400, 0], [1, 0], [20_000, 0]]),
        np.array([[1, 0], [2, 0], [3, 0]], np.uint8),
        ["", "text é"],
    )
    data, offsets = pack_all(layout, grid, 300)
    first, second = ResultBatch(("ann", "bob"), 300, layout, data, offsets).rows()
    assert list(first.results) == [
        Result("a", State.QUALIFIED, Decimal(50), {"x": Decimal("12.34"), "y": "text é"}, 300),
        Result("b", State.UNKNOWN, None, {}, 300),
        Result("c", State.QUALIFIED, Decimal(0), {"z": Date(20_000)}, 300),
    ]
    assert [r.state for r in second.results] == [
        State.NOT_QUALIFIED, State.QUALIFIED, State.UNKNOWN,
    ]  # fmt: skip
    assert second.results[1].score is None


def test_results_of_several_rulesets_are_compared_by_their_own_layouts() -> None:
    both = ("ann", "bob")
    layout = Layout("new", (("a", ("x",)),))
    one = [packed(Result("a", State.QUALIFIED, Decimal(1), {"x": name}, 9)) for name in both]
    data = [pack([item]) for item in one]
    fresh = ResultBatch(
        both, 9, layout, np.frombuffer(b"".join(data), np.uint8), np.cumsum([0, *map(len, data)])
    )
    old = CustomerResults("ann", 8, Layout("old", (("a", ("x",)), ("b", ()))), pack(
        [one[0], packed(result("b"))]
    ))  # fmt: skip
    found = merge_results({"ann": old}, fresh)
    assert found.changed.tolist() == [1, 1], "a rule of ann's is gone, and bob is new"
    assert sorted(row.customer_id for row in found.rows) == ["ann", "bob"]


@pytest.mark.parametrize("cut", [1, 4, 8, 12])
def test_the_error_for_damaged_results_names_the_customer(cut: int) -> None:
    whole = row(result("a", since=3), Result("b", State.QUALIFIED, None, {"x": "text"}, 3))
    broken = msgspec.structs.replace(whole, packed=whole.packed[:-cut])
    fresh = batch(result("a"), Result("b", State.QUALIFIED, None, {"x": "text"}, 10))
    with pytest.raises(UserError, match="results of customer ann are damaged"):
        merge_results({"ann": broken}, fresh)
    with pytest.raises(UserError, match="results are damaged"):
        list(broken.results)


def test_a_date_out_of_range_is_refused() -> None:
    check_day(0)
    with pytest.raises(UserError, match="results as of 1969-12-31 cannot be stored"):
        check_day(-1)


def test_values_are_rounded_to_four_decimals() -> None:
    values = {"a": Decimal(1) / 3, "b": ["x", Decimal("0.00005")], "c": {"d": Decimal("1.50")}}
    assert feel_literal(rounded(values)) == '{a: 0.3333, b: ["x", 0], c: {d: 1.5}}'
    assert str(rounded(Decimal("100.00"))) == "100"
    assert rounded(True) is True


def test_tallies_are_added_number_by_number() -> None:
    one = ProblemCount("a", "when", "code", 0, "why", 1)
    two = msgspec.structs.replace(one, rule_id="b", count=5)
    total = add([Tally(1, 2, 1, 0, 1, (one,)), Tally(1, 2, 0, 1, 0, (one, two))])
    assert total == Tally(2, 4, 1, 1, 1, (two, msgspec.structs.replace(one, count=2)))
