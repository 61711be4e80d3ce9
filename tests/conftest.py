"""What many tests start from."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.building import bank, day

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.cli import main
from tuppence.facts.schema import Schema


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


Run = Callable[..., Done]


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
def tuppence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """The program, run in this process, in a folder of its own."""

    def run(*arguments: object, status: int = 0) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(sys, "argv", ["tuppence", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        done = Done(*capfd.readouterr())
        assert (ended.value.code or 0) == status, done.stdout + done.stderr
        return done

    return run
