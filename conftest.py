"""Snippets in the documentation are run: Python as doctests, `console` in a shell."""

import doctest
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent
ORDER = ("tests/contract", "tests/integration", "tests/e2e", ".md", "tests/generative", "")
"""Parts of paths, the longest tests first. The first folder compiles the loops, in one process,
before the engines of the second start and need them, each in a process of its own."""


class ConsoleParser(CodeBlockParser):
    """Runs the lines that begin with `$ `, and compares what follows each with what it prints."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        """The first difference, or None."""
        command, expected = "", ""
        for line in [*example.parsed.splitlines(), "$ "]:
            if line.startswith(">") and command and not expected:
                command += "\n" + line[2:]  # as a shell asks for more of a command
                continue
            if not line.startswith("$ "):
                expected += line + "\n"
                continue
            if command:
                problem = _compare(command, expected, example.namespace["folder"])
                if problem:
                    return problem
            command, expected = line[2:], ""
        return None


def _compare(command: str, expected: str, folder: Path) -> str | None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    done = subprocess.run(  # noqa: S602 - the documentation's own commands
        command,
        shell=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    found = done.stdout + done.stderr
    if not expected:
        return f"{command}: {found}" if done.returncode else None
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if doctest.OutputChecker().check_output(expected, found, options):
        return None
    return f"{command}\nexpected:\n{expected}\nfound:\n{found}"


def _setup(namespace: dict[str, Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    for name in ("catalogue", "examples"):
        (folder / name).symlink_to(ROOT / name)
    namespace["folder"] = folder


def _teardown(namespace: dict[str, Any]) -> None:
    shutil.rmtree(namespace["folder"])


def pytest_configure() -> None:
    """Have Hypothesis take its time: on a busy machine, an example that is slow is no fault."""
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest, so that several processes end at the same time."""
    items.sort(key=lambda item: next(n for n, part in enumerate(ORDER) if part in item.nodeid))


pytest_collect_file = Sybil(
    parsers=[ConsoleParser(), PythonCodeBlockParser()],
    patterns=["*.md"],
    setup=_setup,
    teardown=_teardown,
).pytest()
