"""Checks the contents of the wheel and the source distribution, and that the wheel works."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import uv_build
from tests.building import ROOT, RULES
from tests.conftest import Run

UV = shutil.which("uv") or ROOT / ".tools/bin/uv"
RULE = """
id: greeting
kind: insight
title: A greeting
when: count(transactions) > 0
score: 10
message: {title: Good morning, body: Your data is here.}
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("PATH", f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
        uv_build.build_sdist(str(folder))
        uv_build.build_wheel(str(folder))
    return folder


def test_the_wheel_holds_the_catalogue_and_the_notices(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    rules = [name for name in names if name.startswith("tuppence/catalogue/") and name[-1] != "/"]
    assert len(rules) == RULES
    information = f"tuppence-{version('tuppence')}.dist-info/licenses"
    assert {f"{information}/LICENSE", f"{information}/NOTICE"} <= set(names)


def test_the_source_distribution_holds_docs_tests_and_examples(dist: Path) -> None:
    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "NOTICE",
        "Makefile",
        "conftest.py",
        "docs/tutorial/first-insight.md",
        "examples/quickstart/run.sh",
        "requirements/dev.txt",
        "src/tuppence/catalogue/bank_fees.yaml",
        "tests/e2e/test_package.py",
    } <= names
    assert not any("__pycache__" in name for name in names)


@pytest.fixture
def installed(dist: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a program of an environment with the wheel and what it needs."""
    python = tmp_path / "environment/bin/python"
    uv("venv", "--python", sys.executable, tmp_path / "environment")
    locked = ("--constraint", ROOT / "requirements/dev.txt")
    uv("pip", "install", "--python", python, *locked, *dist.glob("*.whl"))

    def run(name: str, *arguments: object) -> str:
        # Interpreted, as compiling the loops for this environment takes longer than the rest.
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NUMBA_DISABLE_JIT": "1"}
        command = [str(python.with_name(name)), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    return run


def uv(*arguments: object) -> None:
    subprocess.run([str(UV), "--quiet", *map(str, arguments)], check=True)


def test_the_installed_wheel_makes_feeds(installed: Callable[..., str], tmp_path: Path) -> None:
    assert "insights" in installed("tuppence", "--help")
    assert installed("tuppence", "--version") == f"tuppence {version('tuppence')}\n"
    synth = ("synth", "--customers", 3, "--months", 3, "--seed", 1, "--store", "money")
    assert "3 customers" in installed("tuppence", *synth)
    assert " 0 not" in installed("tuppence", "rules", "test", "catalogue/bank_fees.yaml")
    (tmp_path / "own.yaml").write_text(RULE)
    for rules, said in (("catalogue", f"{RULES} rules as of 2026-06-30"), ("own.yaml", "1 rule")):
        run = ("run", "--store", "money", "--rules", rules, "--as-of", "2026-06-30")
        assert said in installed("tuppence", *run)
    feed = installed("tuppence", "feed", "C0000001", "--store", "money")
    assert "C0000001 on 2026-06-30" in feed
    assert "Good morning" in feed
    where = installed("python", "-c", "import tuppence; print(tuppence.__file__)")
    assert Path(where.strip()).is_relative_to(tmp_path / "environment")


def test_a_folder_called_catalogue_is_read_in_place_of_the_shipped_rules(
    tuppence: Run, tmp_path: Path
) -> None:
    assert f"{RULES} insights" in tuppence("catalogue", "catalogue").stdout
    (tmp_path / "catalogue").mkdir()
    rule = (ROOT / "catalogue/bank_fees.yaml").read_text("utf-8")
    (tmp_path / "catalogue/bank_fees.yaml").write_text(rule, "utf-8")
    assert "1 insights" in tuppence("catalogue", "catalogue").stdout
    missing = tuppence("catalogue", "catalogue/none.yaml", status=1).stderr
    assert "catalogue/none.yaml: there is no such file or folder" in missing
