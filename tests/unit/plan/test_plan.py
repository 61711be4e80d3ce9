"""Plans: filters as predicates, what is shared, what does not fit, and all of it in words."""

import doctest
import importlib
import pkgutil
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.building import day

import tuppence.plan
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.plan.columns import ColumnPlan
from tuppence.plan.description import cost, feature_text, pass_summaries
from tuppence.plan.instructions import Aggregation
from tuppence.plan.model import model_of
from tuppence.plan.passes import column_plan
from tuppence.plan.plan import make_plan
from tuppence.plan.predicates import IntervalSet, OneOf, conjoin, disjoin
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import make_ruleset, read_ruleset

AS_OF = Date(day("2026-06-30"))
CENT = Decimal("0.01")

bounds = st.none() | st.integers(-4, 4).map(lambda n: n * CENT)
intervals = st.tuples(bounds, st.booleans(), bounds, st.booleans())


def lets(predicate: IntervalSet, value: int | None) -> bool:
    """Return whether an amount in pennies passes."""
    if value is None:
        return predicate.null
    return any(
        (low is None or low <= value) and (high is None or value <= high)
        for low, high in predicate.whole(2)
    )


def ordered(interval: Any, null: bool) -> IntervalSet:
    everything = IntervalSet(((None, False, None, False),), null=null)
    met = everything.meet(IntervalSet((interval,), null=null))
    assert isinstance(met, IntervalSet)
    return met


predicates = st.builds(ordered, intervals, st.booleans())


@given(predicates, predicates)
def test_literals_are_sets_of_values(left: IntervalSet, right: IntervalSet) -> None:
    met, rest = left.meet(right), left.complement()
    assert isinstance(met, IntervalSet)
    for value in [None, *range(-7, 8)]:
        assert lets(met, value) == (lets(left, value) and lets(right, value))
        assert lets(rest, value) != lets(left, value)
        assert lets(rest.complement(), value) == lets(left, value)
        assert lets(left.negated(), None if value is None else -value) == lets(left, value)


def test_the_examples_of_docstrings_hold() -> None:
    names = [one.name for one in pkgutil.walk_packages(tuppence.plan.__path__, "tuppence.plan.")]
    tested = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert [name for name, found in tested.items() if found.failed] == []
    passes = {name for name, found in tested.items() if found.attempted and "passes" in name}
    assert {name.rpartition(".")[2] for name in passes} == {"emit", "lay_out", "lower", "share"}


texts = st.sampled_from(["a", "b", "c", None])
one_of = st.builds(OneOf, st.frozensets(texts), st.booleans())


@given(one_of, one_of, texts)
def test_texts_are_among_some_or_not(left: OneOf, right: OneOf, value: str | None) -> None:
    met = left.meet(right)
    assert isinstance(met, OneOf)
    assert met.holds(value) == (left.holds(value) and right.holds(value))
    assert left.complement().holds(value) is not left.holds(value)
    if met.impossible:
        assert not met.holds(value)


def test_filters_do_not_grow_without_end() -> None:
    many = frozenset({frozenset({(f"f{n}", OneOf(frozenset({"x"})))}) for n in range(10)})
    with pytest.raises(OverflowError):
        conjoin(
            many, frozenset({frozenset({(f"g{n}", OneOf(frozenset({"x"})))}) for n in range(7)})
        )
    with pytest.raises(OverflowError):
        disjoin(many, frozenset({frozenset({(f"g{n}", OneOf(frozenset()))}) for n in range(60)}))


def plan(*whens: str, values: str = "1") -> ColumnPlan:
    rules = [
        Rule(f"r{n}", "tip", "A", when, "1", Message("x", "x"), {"v": values})
        for n, when in enumerate(whens)
    ]
    checked = [check_rule(rule, Schema(), load_definitions())[0] for rule in rules]
    return column_plan(checked, model_of(Schema(), AS_OF), AS_OF)


def test_rules_share_what_they_gather() -> None:
    energy = 'payments[category = "energy" and booking date > today() - @"P30D"]'
    same = 'payments[booking date > today() - @"P30D"][category in ("energy")]'
    made = plan(
        f"count({energy}) > 2 and total({energy}.amount) > 100",
        f"mean({same}.amount) > 10",
        f"min({energy}.amount) > 1",
    )
    (table,) = made.tables
    plain, guard, least = table.accumulators
    assert plain.aggregation is Aggregation.COUNT_AND_SUM
    assert least.aggregation is Aggregation.ARGMAX, "amounts of payments are negative"
    assert guard.where != plain.where
    assert [rule.features for rule in made.rules] == [(0, 1), (0, 1), (2,)]
    assert cost(made, made.rules[0]) < cost(made, made.rules[1]) * 3


@pytest.mark.parametrize(
    ("when", "reason", "part"),
    [
        (
            "count(payments[category = merchant]) > 1",
            "a filter's condition combines more than one field",
            "category = merchant",
        ),
        ("not(count(payments[amount > mean(payments.amount)]) > 1)", "", ""),
        ('string(count(payments)) = "x" and count(payments) > 1', "", ""),
        ('string(count(payments)) = "1"', "the function string cannot be evaluated in columns", ""),
        (
            "sum(for p in payments return p.amount * p.amount) > 1",
            "the value of each row is not a linear function of one field",
            "p.amount * p.amount",
        ),
        ("some p in payments, q in receipts satisfies p.amount = q.amount", "several lists", ""),
        ("count(payments[-9]) > 1", "", ""),
    ],
)
def test_what_does_not_fit_is_named(when: str, reason: str, part: str) -> None:
    (rule,) = plan(when).rules
    assert not rule.planned
    (refusal,) = rule.refusals
    assert reason in refusal.reason
    assert part in when[slice(*refusal.span)]
    assert cost(plan(when), rule) > 100


@pytest.mark.parametrize("operator", ["and", "or"])
def test_what_comes_before_a_part_that_does_not_fit_is_planned(operator: str) -> None:
    odd = 'string(count(payments)) = "1"'
    made = plan(f"count(payments) > 1 {operator} {odd} {operator} count(receipts) > 1")
    (rule,) = made.rules
    assert rule.planned
    assert [(refusal.place, refusal.reason) for refusal in rule.refusals] == [
        ("when", "the function string cannot be evaluated in columns")
    ]
    assert len(rule.features) == 1, "what comes after it is not gathered"


def test_only_a_value_may_not_fit() -> None:
    (rule,) = plan("count(payments) > 1", values="payments[1]").rules
    assert rule.planned
    assert not rule.whole
    assert [refusal.place for refusal in rule.refusals] == ["v"]


def test_features_are_told_in_words() -> None:
    made = plan(
        'payments[-2].amount > 10 and largest(receipts[merchant != null]).text = "x"',
        'count(distinct values(payments[amount between 5 and 10 or text = "x"].merchant)) > 1',
        "median(transactions[country != customer.country"
        ' and not(category in ("a", "b"))].amount) > 1',
        'count(accounts[balance >= 0]) > 1 and min(accounts[contains(name, "x")].balance) > 1',
    )  # fmt: skip
    told = "\n".join(feature_text(t, feature) for t in made.tables for feature in t.features)
    for text in (
        "amount of the last, 2 from there, transactions where amount < 0",
        "text of greatest amount of the transactions where 0 < amount",
        "merchant is not null",
        "number of different merchant of transactions where (-10 <= amount <= -5 and",
        "twice the median amount of transactions",
        "country is not customer.country",
        'category not in "a", "b"',
        "number of accounts where 0 <= balance",
        "a condition on name is true",
        "booking date <= 2026-06-30",
    ):
        assert text in told, told


def test_each_pass_has_a_summary() -> None:
    made = plan("count(payments) > 1")
    names = [name for name, _ in pass_summaries(made)]
    assert names == ["lower", "share", "lay out", "emit"]


def test_a_plan_takes_over_what_was_planned_before() -> None:
    definitions = load_definitions()
    rules = [
        Rule(f"r{n}", "tip", "A", f"count(payments[amount > {n}]) > 1", "1", Message("x", "x"))
        for n in range(4)
    ]
    first = make_ruleset(check_rule(rule, Schema(), definitions)[0] for rule in rules[:3])
    content = make_ruleset(check_rule(rule, Schema(), definitions)[0] for rule in rules[1:]).content
    fresh = make_plan(read_ruleset(content, Schema()), AS_OF, Schema())
    known = read_ruleset(content, Schema(), first)
    assert [one in first.rules for one in known.rules] == [True, True, False]
    before = make_plan(first, AS_OF, Schema())
    again = make_plan(known, AS_OF, Schema(), before)
    assert again.columns.program.code.tolist() == fresh.columns.program.code.tolist()
    assert again.columns.features == fresh.columns.features
    assert [one in before.columns.lowered for one in again.columns.lowered] == [True, True, False]
    tomorrow = make_plan(known, Date(AS_OF.day + 1), Schema(), before)
    assert not any(one in before.columns.lowered for one in tomorrow.columns.lowered)
