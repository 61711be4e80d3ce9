"""A rule, and a store after a run of it, for tests of the program."""

from pathlib import Path

import pytest
from tests.conftest import Run

RULE = """
id: fees
kind: saving
title: Fees were charged
when: total(payments[category = "bank fee" and booking date > today() - @"P30D"].amount) > 5
score: 40
values:
  fees: total(payments[category = "bank fee"].amount)
message:
  title: "{{ fees | money }} in fees"
  body: Ask your bank.
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/fees.yaml").write_text(RULE)
    return tmp_path / "rules"


@pytest.fixture
def ran(store: Path, rules: Path, tuppence: Run) -> Path:
    """Return the store after a run."""
    tuppence("run", "--store", store, "--rules", rules, "--as-of", "2026-06-30", "--processes", 1)
    return store
