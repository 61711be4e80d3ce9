"""The columnar engine equals the reference engine, for random rules and facts."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.building import ROOT
from tests.examples import examples
from tests.generative.comparing import assert_same, planned
from tests.generative.making import facts


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
