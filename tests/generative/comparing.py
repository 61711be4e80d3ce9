"""Plans of made-up rules, and comparisons of the engines."""

import random
from collections import Counter

from tests.generative.making import AS_OF, SCHEMA, Maker

from tuppence.engine import reference
from tuppence.engine.columnar import Engine
from tuppence.engine.reference import Problem
from tuppence.facts.batch import FactBatch
from tuppence.feel.values import parse_date
from tuppence.plan.plan import Plan, make_plan
from tuppence.results.batch import ResultBatch
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.ruleset import make_ruleset


def planned(source: random.Random, count: int) -> Plan:
    """Return a plan of random rules without errors."""
    maker, definitions = Maker(source), load_definitions()
    checked: list[CheckedRule] = []
    while len(checked) < count:
        found, findings = check_rule(maker.rule(f"r{len(checked)}"), SCHEMA, definitions)
        if all(finding.diagnostic.warning for finding in findings):
            checked.append(found)
    date = parse_date(AS_OF)
    assert date is not None
    return make_plan(make_ruleset(checked), date, SCHEMA)


def assert_same(plan: Plan, batch: FactBatch, engine: Engine | None = None) -> ResultBatch:
    """Check that reference and kernel give the same bytes and reasons, and return the results.

    Args:
        plan: The plan.
        batch: The facts.
        engine: An engine for the plan that may have seen other facts; None for a new one.
    """
    wanted = reference.evaluate(plan, batch)
    found = (engine or Engine(plan)).evaluate(batch)
    if found.results.data.tobytes() != wanted.results.data.tobytes():
        for ours, theirs in zip(found.results.rows(), wanted.results.rows(), strict=True):
            for one, other in zip(ours.results, theirs.results, strict=True):
                rule = next(r.rule for r in plan.rules if r.rule.id == one.rule_id)
                assert one == other, (ours.customer_id, rule)
    assert found.results.offsets.tolist() == wanted.results.offsets.tolist()
    assert reasons(found.problems) == reasons(wanted.problems)
    return found.results


def reasons(problems: Counter[Problem]) -> set[tuple[str, str, int]]:
    """Return the places where something was null, and the number where history was too short.

    What the interpreter met on the way, inside of filters too, is told by one example for all
    customers in whom the same parts were null; so texts and counts can differ.
    """
    history = "rule.history"
    return {(p.rule_id, p.place, n if p.code == history else 0) for p, n in problems.items()}
