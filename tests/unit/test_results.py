"""What is kept of results, and what of them is shown."""

from decimal import Decimal

import msgspec
import pytest

from tuppence.errors import UserError
from tuppence.feed import is_due, rank
from tuppence.results.result import CustomerResults, Result, State, rounded, update, values_text
from tuppence.rules.rule import Message, Rule
from tuppence.runs.ledger import ProblemCount, Tally, add


def result(rule: str, state: State = State.QUALIFIED, score: str = "1", since: int = 10) -> Result:
    return Result(rule, state, Decimal(score) if state is State.QUALIFIED else None, "", since)


def row(*results: Result, as_of: int = 10) -> CustomerResults:
    return CustomerResults("ann", as_of, "digest", results)


def test_everything_is_new_at_first() -> None:
    fresh = row(result("a"), result("b"))
    assert update(None, fresh) == (fresh, 2)


def test_a_state_keeps_the_day_it_began() -> None:
    before = row(result("a", since=3), result("b", since=3), result("c", since=3), as_of=9)
    fresh = row(result("a"), result("b", State.UNKNOWN), result("c", score="2"))
    kept, changed = update(before, fresh)
    assert [r.since for r in kept.results] == [3, 10, 3]
    assert changed == 2


def test_rules_that_come_and_go_are_changes() -> None:
    kept, changed = update(row(result("a"), result("b")), row(result("b"), result("c")))
    assert [r.rule_id for r in kept.results] == ["b", "c"]
    assert changed == 2


def test_older_results_never_replace_newer_ones() -> None:
    with pytest.raises(UserError, match="as of 1970-01-12, later than 1970-01-11") as caught:
        update(row(as_of=11), row(as_of=10))
    assert caught.value.code == "results.older"


def test_values_are_kept_as_text_of_four_decimals() -> None:
    assert values_text({}) == ""
    values = {"a": Decimal(1) / 3, "b": ["x", Decimal("0.00005")], "c": {"d": Decimal("1.5")}}
    assert values_text(values) == '{a: 0.3333, b: ["x", 0.0000], c: {d: 1.5}}'
    assert rounded(True) is True


RULES = {
    name: Rule(name, "tip", name, "true", "1", Message("x", "x"), expires_after_days=days)
    for name, days in (("a", 14), ("b", 14), ("c", 2))
}


def test_the_most_relevant_come_first() -> None:
    results = [
        result("a", score="5"),
        result("b", score="9"),
        result("c", score="99", since=7),  # expired
        result("x", score="99"),  # not a rule any more
        result("a", State.UNKNOWN),
    ]
    assert [r.rule_id for r in rank(results, RULES, 10, 5)] == ["b", "a"]
    assert [r.rule_id for r in rank(results, RULES, 10, 1)] == ["b"]
    equal = [result("b"), result("a"), msgspec.structs.replace(result("c"), score=None)]
    assert [r.rule_id for r in rank(equal, RULES, 10, 5)] == ["a", "b", "c"]


def test_an_insight_expires_rests_and_returns() -> None:
    rule = msgspec.structs.replace(RULES["c"], cooldown_days=3)
    assert [is_due(rule, days) for days in range(8)] == [
        True, True, False, False, False, True, True, False,
    ]  # fmt: skip
    assert [is_due(RULES["c"], days) for days in (1, 2, 5)] == [True, False, False]


def test_tallies_add_up() -> None:
    one = ProblemCount("a", "when", "code", 0, "why", 1)
    two = msgspec.structs.replace(one, rule_id="b", count=5)
    total = add([Tally(1, 2, 1, 0, 1, (one,)), Tally(1, 2, 0, 1, 0, (one, two))])
    assert total == Tally(2, 4, 1, 1, 1, (two, msgspec.structs.replace(one, count=2)))
