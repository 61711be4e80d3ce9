"""A command loads only what it uses, since what it loads is most of the time that it takes."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.building import copy_rules
from tests.commands import command
from typer.core import TyperGroup

from tuppence.cli.app import COMMANDS, build

_SHOW = """
import sys
from tuppence.cli import main
sys.argv[0] = "tuppence"
try:
    main()
finally:
    print("loaded:", *sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a customer, after a run."""
    folder = tmp_path_factory.mktemp("demo")
    rules = copy_rules(folder / "rules", "bank_fees", "charged_twice")
    command("synth", "--store", folder / "demo", "--customers", 1)
    command("run", "--store", folder / "demo", "--rules", rules, "--as-of", "2026-06-30")
    return folder / "demo"


def loaded(*arguments: object) -> set[str]:
    """Run a command, and return the modules that it loads."""
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, *map(str, arguments)],
        capture_output=True,
        check=True,
        text=True,
    )
    return {*done.stderr.rpartition("loaded:")[2].split()}


def test_the_list_of_commands_loads_no_command() -> None:
    found = loaded("--help")
    ours = {name for name in found if name.startswith("tuppence.")}
    assert ours == {
        "tuppence.cards",
        "tuppence.cli",
        "tuppence.cli.app",
        "tuppence.cli.screen",
        "tuppence.errors",
        "tuppence.plain_text",
    }
    assert not {"msgspec", "numpy", "polars", "pydantic"} & found


def test_commands_are_listed_with_their_own_help() -> None:
    known = typer.main.get_command(build())
    assert isinstance(known, TyperGroup)
    helps = {name: (one.help or "").partition("\n\n")[0] for name, one in known.commands.items()}
    assert {name: one.help for name, one in COMMANDS.items()} == {
        name: " ".join(text.split()) for name, text in helps.items()
    }


def test_a_feed_needs_no_language_engine(demo: Path) -> None:
    found = loaded("feed", "C0000001", "--store", demo, "--new")
    assert not {"numba", "tuppence.engine", "tuppence.plan", "tuppence.derived.streams"} & found


@pytest.mark.parametrize("rule", ["bank_fees", "charged_twice"])
def test_an_explanation_needs_no_compiler(demo: Path, rule: str) -> None:
    assert "numba" not in loaded("explain", "C0000001", rule, "--store", demo)
