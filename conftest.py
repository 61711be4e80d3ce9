"""Runs the snippets in the documentation: Python as doctests, `console` in a shell.

It also runs `sh` blocks that write a file, which readers paste as a whole: prompts would break
them. In tutorials it runs every `sh` block, and compares its output with the `text` block that
follows.
"""

import doctest
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from coverage import Coverage
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from tests.program import program

ROOT = Path(__file__).parent
ORDER = (
    *("tests/e2e/test_run.py", "tests/integration/test_aws", "tests/unit/bankdata"),
    *("tests/integration", "tests/e2e", "tests/contract", ".md", "tests/generative", ""),
)
"""Parts of paths in the order of the tests. The first file compiles the loops. Beside it other
processes begin the longest file, which needs the loops only later, and files that never do."""
UNMEASURED = (
    *("tests/architecture/", "tests/generative/", "tests/unit/bankdata/"),
    *("tests/e2e/test_pairs", "tests/e2e/test_refused", "tests/e2e/test_relevance"),
    *("tests/e2e/test_run", "tests/integration/test_aws", "tests/integration/test_berka"),
    *("tests/integration/test_cluster", "tests/integration/test_platform"),
    *("tests/integration/test_reliability", "tests/integration/test_told"),
)
"""Beginnings of the paths of tests in which coverage is not measured: others cover the core."""


class ConsoleParser(CodeBlockParser):
    """Runs the lines that begin with `$ `, and compares what follows each with what it prints."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        """Return the first difference, or None."""
        command, expected = "", ""
        for line in [*example.parsed.splitlines(), "$ "]:
            if not line.startswith("$ "):
                expected += line + "\n"
                continue
            if command:
                problem = _compare(command, expected, example.namespace)
                if problem:
                    return problem
            command, expected = line[2:], ""
        return None


class PastedParser(CodeBlockParser):
    """Runs `sh` blocks, and in tutorials compares the `text` block after each of them."""

    def __call__(self, document: Document) -> Iterable[Region]:
        """Return the blocks of a tutorial; of other pages, those that write a file."""
        found = super().__call__(document)
        if Path(document.path).parent.name == "tutorial":
            return found
        return (one for one in found if self.language == "sh" and one.parsed.startswith("cat > "))

    def evaluate(self, example: Example) -> str | None:
        """Return what failed, or None."""
        state = example.namespace
        if self.language == "sh":
            status, printed = _run(f"set -e\n{example.parsed}", state)
            state["printed"] = printed
            compared = example.document.text[example.end :].lstrip().startswith("```text")
            return f"{example.parsed}: {printed}" if status and not compared else None
        return _difference(example.parsed, state["printed"])


def _compare(command: str, expected: str, state: Mapping[str, Any]) -> str | None:
    status, found = _run(command, state)
    if not expected:
        return f"{command}: {found}" if status else None
    difference = _difference(expected, found)
    return f"{command}\n{difference}" if difference else None


def _run(command: str, state: Mapping[str, Any]) -> tuple[int, str]:
    """Run a command in a shell; return its status and what it printed."""
    path = f"{state['commands']}:{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S602 - the documentation's own commands
        command,
        shell=True,
        capture_output=True,
        text=True,
        cwd=state["folder"],
        env={**os.environ, "PATH": path},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a `tuppence` whose commands all run in one process."""
    folder = tmp_path_factory.mktemp("program")
    with program(folder, {"COLUMNS": "100"}):
        yield folder / "venv/bin"


def _difference(expected: str, found: str) -> str | None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if doctest.OutputChecker().check_output(expected, found, options):
        return None
    return f"expected:\n{expected}\nfound:\n{found}"


def _setup(namespace: dict[str, Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    for name in ("catalogue", "examples"):
        (folder / name).symlink_to(ROOT / name)
    namespace["folder"] = folder


def _teardown(namespace: dict[str, Any]) -> None:
    shutil.rmtree(namespace["folder"])


def pytest_configure() -> None:
    """Relax the deadlines of Hypothesis: on a busy machine a slow example is not a fault.

    Examples are the same in each run, so that no test fails by chance; the profile `long`, which is
    for `make test-long`, draws new ones: see `tests.examples`.
    """
    slow = [hypothesis.HealthCheck.too_slow]
    for name, count in (("patient", 50), ("long", 2_000)):
        hypothesis.settings.register_profile(
            name,
            deadline=None,
            suppress_health_check=slow,
            max_examples=count,
            derandomize=name == "patient",
        )
    hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes longest first, so that all processes end at about the same time."""
    items.sort(key=lambda item: next(n for n, part in enumerate(ORDER) if part in item.nodeid))


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are cores, as tests also wait: for servers and disks."""
    return min(os.cpu_count() or 1, 8) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage in long tests: it doubles the time that Python takes."""
    coverage = Coverage.current()
    if coverage is None or not item.nodeid.startswith(UNMEASURED):
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


pytest_collect_file = Sybil(
    parsers=[
        ConsoleParser(),
        PythonCodeBlockParser(),
        PastedParser("sh"),
        PastedParser("text"),
    ],
    patterns=["*.md"],
    setup=_setup,
    teardown=_teardown,
    fixtures=["commands"],
).pytest()
