"""The columnar engine equals the reference engine, for random rules and facts."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.building import ROOT
from tests.examples import examples
from tests.generative.making import AS_OF, SCHEMA, Maker, facts

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


@pytest.mark.long
@pytest.mark.parametrize(("setting", "pairs"), [("BOUNDSCHECK", 3000), ("DISABLE_JIT", 300)])
def test_loops_never_leave_the_bounds_of_their_arrays(
    setting: str, pairs: int, tmp_path: Path
) -> None:
    """Run with bounds checks, which are otherwise omitted for speed, and as plain Python."""
    environment = {**os.environ, f"NUMBA_{setting}": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.generative.fuzz_columnar", "--pairs", str(pairs)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{pairs:,} pairs of " in done.stdout


def reasons(problems: Counter[Problem]) -> set[tuple[str, str, int]]:
    """Return the places where something was null, and the number where history was too short.

    What the interpreter met on the way, inside of filters too, is told by one example for all
    customers in whom the same parts were null; so texts and counts can differ.
    """
    history = "rule.history"
    return {(p.rule_id, p.place, n if p.code == history else 0) for p, n in problems.items()}


@examples(20, 500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False))
def test_random_rules_over_random_facts_equal_the_reference(source: random.Random) -> None:
    plan = planned(source, 3)
    assert_same(plan, facts(source, customers=3, most_rows=12))


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(n, marks=pytest.mark.long) for n in range(6, 80))]
)
def test_many_rules_over_many_customers_equal_the_reference(seed: int) -> None:
    source = random.Random(seed)
    plan = planned(source, 25)
    assert_same(plan, facts(source, customers=6, most_rows=60))
