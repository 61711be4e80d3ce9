"""Fixtures that many tests share."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from local.servers import AWS_REGION, MissingError, Server, aws_emulator
from tests.building import bank, day
from tests.commands import log_of_its_own

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.cli import main
from tuppence.facts.schema import Schema


class Done(NamedTuple):
    """The output of a command."""

    stdout: str
    stderr: str


Run = Callable[..., Done]
Report = Callable[[str, float], None]


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
        with log_of_its_own(), pytest.raises(SystemExit) as ended:
            main()
        done = Done(*capfd.readouterr())
        assert (ended.value.code or 0) == status, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An emulator of AWS, which tests share."""
    try:
        with aws_emulator(tmp_path_factory.mktemp("aws")) as server:
            yield server
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def aws(emulator: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The environment of a program that talks to the emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{emulator.port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", AWS_REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return emulator


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Report:
    """Says a figure beside the name of the test, whatever the outcome."""

    def say(name: str, figure: float) -> None:
        with capsys.disabled():
            sys.stdout.write(f"[{request.node.name}: {name} {figure:.4f}] ")

    return say
