"""What many tests start from."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.building import bank, day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.facts.schema import Schema

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of one customer with three transactions."""
    rows = bank(
        [
            {"booking date": day("2026-06-01"), "amount": -1250, "category": "bank fee"},
            {"booking date": day("2026-06-10"), "amount": 200_000, "category": "income"},
            {"booking date": day("2026-06-20"), "amount": -999, "merchant": "Bean Yard"},
        ]
    )
    FactStore.create(tmp_path / "store", Schema()).append(rows)
    return tmp_path / "store"


@pytest.fixture
def tuppence(tmp_path: Path) -> Run:
    """The program, run in a folder of its own."""

    def run(
        *arguments: object, status: int = 0, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "PYTHONWARNINGS": "default"}
        done = subprocess.run(
            [sys.executable, "-m", "tuppence", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment,
            check=False,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run
