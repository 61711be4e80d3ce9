"""A rule that reads one field alone and has no error runs, on both engines, with equal results.

A run reads only the fields that rules need, so that a rule about one field shows which others were
forgotten.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest
from tests.examples import examples
from tests.generative.comparing import reasons
from tests.generative.making import AS_OF, SCHEMA, facts

from tuppence.engine import reference
from tuppence.engine.columnar import Engine
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import COLLECTIONS, Field, FieldType
from tuppence.feel.values import parse_date
from tuppence.plan.plan import Plan, make_plan
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Message, Rule
from tuppence.rules.ruleset import make_ruleset

OF_ROWS: Final[Mapping[FieldType, tuple[str, ...]]] = {
    FieldType.TEXT: (
        'count({rows}[{field} = "food"])', "count({rows}[{field} != null])",
        "count(distinct values({rows}.{field}))", "string length({rows}[1].{field})",
        'count({rows}[contains({field}, "o")])', '(if {rows}[-1].{field} = "rent" then 1 else 0)',
    ),
    FieldType.DATE: (
        'count({rows}[{field} >= today() - @"P30D"])', "(today() - {rows}[1].{field}).days",
        "{rows}[-1].{field}.year", "(today() - max({rows}.{field})).days",
    ),
    FieldType.BOOLEAN: ("count({rows}[{field}])", "(if {rows}[1].{field} then 1 else 0)"),
    FieldType.NUMBER: (
        "total({rows}[{field} != null].{field})", "max({rows}.{field})", "{rows}[1].{field}",
        "count({rows}[{field} > 1])", "median({rows}.{field})", "count({rows}[{field} = null])",
    ),
}  # fmt: skip
"""Numbers that are computed from one field of some rows."""
OF_CUSTOMER: Final[Mapping[FieldType, tuple[str, ...]]] = {
    FieldType.TEXT: ('(if {rows}.{field} = "a" then 1 else 0)', "string length({rows}.{field})"),
    FieldType.DATE: ("{rows}.{field}.year", "(today() - {rows}.{field}).days"),
    FieldType.BOOLEAN: ("(if {rows}.{field} then 1 else 0)",),
    FieldType.NUMBER: ("{rows}.{field}", "(if {rows}.{field} = null then 1 else 0)"),
}  # fmt: skip
WHOLE: Final = ("count({rows})", "(if {rows}[1] = null then 1 else 0)", "count({rows}[-1])")


def numbers(name: str, field: Field) -> Iterator[str]:
    """Yield expressions that read one field of the customer or of a collection."""
    kind = FieldType.NUMBER if field.kind is FieldType.MONEY else field.kind
    for form in (OF_CUSTOMER if name == "customer" else OF_ROWS)[kind]:
        yield form.format(rows=name, field=field.name)


def without_errors(texts: list[str]) -> list[CheckedRule]:
    """Return rules, each with one of the expressions, that check without errors."""
    definitions, rules = load_definitions(), list[CheckedRule]()
    for number, text in enumerate(texts):
        rule = Rule(f"r{number}", "tip", text, f"{text} > 0", "1", Message("x", "x"))
        measured = scored(text, rule)
        for one in (rule, measured):
            checked, findings = check_rule(one, SCHEMA, definitions)
            if all(finding.diagnostic.warning for finding in findings):
                rules.append(checked)
    return rules


def scored(text: str, rule: Rule) -> Rule:
    """Return a rule that everybody qualifies for, and that reads the field in its score only."""
    return Rule(f"{rule.id}s", "tip", text, "true", text, rule.message, {"found": text})


def only_needed(batch: FactBatch, plan: Plan) -> FactBatch:
    """Return a batch with those fields of transactions that a run reads from a store."""
    fields = plan.transaction_fields
    if fields is None:
        return batch
    columns = batch.transactions.columns
    kept = {name: column for name, column in columns.items() if name in {*fields, "account"}}
    return replace(batch, transactions=replace(batch.transactions, columns=kept))


def assert_runs(checked: CheckedRule, batches: list[FactBatch]) -> None:
    """Check that both engines evaluate a rule alone, equally and without a defect."""
    date = parse_date(AS_OF)
    assert date is not None
    plan = make_plan(make_ruleset([checked]), date, SCHEMA)
    for batch in batches:
        wanted = reference.evaluate(plan, batch)
        found = Engine(plan).evaluate(only_needed(batch, plan))
        assert not any(p.code == "rule.defect" for p in wanted.problems), wanted.problems
        assert found.results.data.tobytes() == wanted.results.data.tobytes(), checked.rule
        assert reasons(found.problems) == reasons(wanted.problems), checked.rule


pytestmark = pytest.mark.hypothesis  # so that make test-long runs it, with more customers

READ: Final = [
    (name, field) for name in ("customer", *COLLECTIONS) for field in SCHEMA.fields(name)
]


@pytest.fixture(scope="module")
def batches() -> list[FactBatch]:
    """Facts of a few customers, and of one without transactions."""
    seeds = range(examples(few=1, many=8).max_examples)
    found = [facts(random.Random(seed), customers=3, most_rows=20) for seed in seeds]
    return [*found, facts(random.Random(0), customers=1, most_rows=0)]


@pytest.mark.parametrize(
    ("name", "field"), READ, ids=[f"{name}.{field.name}" for name, field in READ]
)
def test_a_rule_that_reads_one_field_alone_runs(
    name: str, field: Field, batches: list[FactBatch]
) -> None:
    rules = without_errors(list(numbers(name, field)))
    assert rules
    for checked in rules:
        assert_runs(checked, batches)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_rule_that_counts_rows_alone_runs(name: str, batches: list[FactBatch]) -> None:
    rules = without_errors([form.format(rows=name) for form in WHOLE])
    assert rules
    for checked in rules:
        assert_runs(checked, batches)
