"""The reference engine, and how it explains itself."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.building import bank, day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.engine import reference
from tuppence.engine.columnar import Engine
from tuppence.engine.explanation import explain
from tuppence.engine.reference import Problem, evaluate
from tuppence.facts.schema import Schema
from tuppence.feel import Date
from tuppence.plan.plan import Plan, make_plan
from tuppence.results.result import Result, State
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset

AS_OF = Date(day("2026-06-30"))


def rule(**given: Any) -> CheckedRule:
    plain = {
        "id": "a", "kind": "tip", "title": "A", "when": "true", "score": "1",
        "message": {"title": "A", "body": "A"}, **given,
    }  # fmt: skip
    checked, _ = check_rule(msgspec.convert(plain, Rule), Schema(), load_definitions())
    return checked


def ruleset(**given: Any) -> Ruleset:
    return make_ruleset([rule(**given)])


def planned(rules: Ruleset) -> Plan:
    return make_plan(rules, AS_OF, Schema())


def outcome(store: Path, **given: Any) -> tuple[Result, Counter[Problem]]:
    """Return the result that every engine gives for ann."""
    plan, facts = planned(ruleset(**given)), FactStore(store).find("ann")
    evaluation = evaluate(plan, facts)
    found = Engine(plan).evaluate(facts)
    assert found.results.data.tobytes() == evaluation.results.data.tobytes()
    assert found.problems == evaluation.problems
    (row,) = evaluation.results.rows()
    return row.results[0], evaluation.problems


def test_a_condition_has_three_states(store: Path) -> None:
    texts = ("count(payments) = 2", "count(payments) > 2", "customer.birth year > 1980")
    states = [outcome(store, when=text)[0].state for text in texts]
    assert states == [State.QUALIFIED, State.NOT_QUALIFIED, State.UNKNOWN]


def test_unknown_says_why(store: Path) -> None:
    _, problems = outcome(store, when="customer.birth year > 1980")
    expected = Problem("a", "when", "feel.null-operand", 0, "the left side of > is null")
    assert problems == {expected: 1}
    _, problems = outcome(store, when="if true then null else true")
    assert problems == {Problem("a", "when", "rule.null", 0, "the value is null"): 1}


@pytest.mark.parametrize(
    ("score", "expected"),
    [("1 / 3", "0.3333"), ("-5", "0.0000"), ("500", "100.0000"), ("0.00005", "0.0000"),
     ("0.00015", "0.0002"), ("50", "50.0000")],
)  # fmt: skip
def test_a_score_is_held_to_its_bounds_and_rounded(store: Path, score: str, expected: str) -> None:
    assert str(outcome(store, score=score)[0].score) == expected


def test_a_score_that_is_null_is_none_and_counted(store: Path) -> None:
    result, problems = outcome(store, score="customer.birth year")
    assert (result.state, result.score) == (State.QUALIFIED, None)
    assert [p.place for p in problems] == ["score"]


def test_values_may_use_the_ones_before(store: Path) -> None:
    result, _ = outcome(store, values={"z": "total(payments.amount)", "a": "z / 3"})
    assert result.values == {"z": Decimal("22.49"), "a": Decimal("7.4967")}


def test_only_a_qualified_result_has_score_and_values(store: Path) -> None:
    result, _ = outcome(store, when="false", values={"x": "1"})
    assert (result.score, result.values) == (None, {})


def test_a_short_history_is_unknown(store: Path) -> None:
    assert outcome(store, minimum_history_days=29)[0].state is State.QUALIFIED
    result, problems = outcome(store, minimum_history_days=30)
    assert result.state is State.UNKNOWN
    assert [p.code for p in problems] == ["rule.history"]


def test_a_defect_in_one_rule_touches_no_other(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(reference, "rounded", broken)
    both = make_ruleset([rule(id="bad", values={"x": "1"}), rule(id="good")])
    evaluation = evaluate(planned(both), FactStore(store).find("ann"))
    (row,) = evaluation.results.rows()
    states = {r.rule_id: r.state for r in row.results}
    assert states == {"bad": State.UNKNOWN, "good": State.QUALIFIED}
    assert [p.code for p in evaluation.problems] == ["rule.defect"]


def test_an_endless_rule_costs_only_itself(store: Path) -> None:
    result, problems = outcome(store, when="count(for i in 1..1000000000 return i) > 1")
    assert result.state is State.UNKNOWN
    assert [p.code for p in problems] == ["feel.budget"]


def test_an_explanation_tells_clauses_values_and_rows(store: Path) -> None:
    rules = ruleset(
        when='total(payments[category = "bank fee"].amount) > 5 and customer.country = "GB"\n'
        "or count(receipts) > 9",
        values={"x": "count(payments)"},
    )
    found = explain(rules.rules[0], FactStore(store).find("ann"), AS_OF, Schema())
    assert found.result == outcome(
        store, when=rules.rules[0].rule.when, values={"x": "count(payments)"}
    )[0]  # fmt: skip
    clauses = [
        (c.text, c.value, c.reached, [(p.text, p.value) for p in c.parts]) for c in found.clauses
    ]
    total = 'total(payments[category = "bank fee"].amount)'
    assert clauses == [
        (f"{total} > 5", True, True, [(total, Decimal("12.50"))]),
        ('customer.country = "GB"', True, True, [("customer.country", "GB")]),
        ("count(receipts) > 9", None, False, []),
    ]
    (selection,) = found.selections
    assert selection.text == 'payments[category = "bank fee"]'
    assert [str(row["booking date"]) for row in selection.rows] == ["2026-06-01"]


def test_the_order_of_partitions_and_slices_is_of_no_matter(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for name in ("ann", "bob", "cat"):
        rows = [{"booking date": day("2026-06-01"), "amount": -len(name) * 100}]
        store.append(bank(rows, name))
    plan = planned(ruleset(when="count(payments) = 1", values={"x": "payments[1].amount"}))
    batch = store.read("p00000")
    whole = list(evaluate(plan, batch).results.rows())
    for evaluate_ in (lambda facts: evaluate(plan, facts), Engine(plan).evaluate):
        parts = [evaluate_(batch.slice(i, i + 1)).results.rows() for i in range(3)]
        assert whole == [row for part in parts for row in part]
