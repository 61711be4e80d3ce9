"""Checks the contents of the wheel and the source distribution, and that the wheel works."""

import os
import subprocess
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import uv_build
from tests.building import ROOT, RULES
from tests.conftest import Run

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


def test_the_installed_wheel_works_outside_of_the_repository(dist: Path, tmp_path: Path) -> None:
    """Uses the dependencies of this environment, so that nothing is downloaded."""
    place = tmp_path / "venv"
    venv.create(place, symlinks=True)
    scheme = {"base": str(place), "platbase": str(place)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (wheel,) = dist.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(packages)  # noqa: S202 - our own wheel
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def tuppence(*arguments: str) -> str:
        done = subprocess.run(
            [place / "bin/python", "-m", "tuppence", *arguments],
            cwd=tmp_path,
            # Interpreted: compiling the loops in a new place would take longer than all else.
            env={"PATH": os.environ["PATH"], "COLUMNS": "100", "NUMBA_DISABLE_JIT": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert tuppence("--version") == f"tuppence {version('tuppence')}\n"
    tuppence("synth", "--customers", "10", "--seed", "1", "--store", "demo")
    assert " 0 not" in tuppence("rules", "test", "catalogue/bank_fees.yaml")
    (tmp_path / "own.yaml").write_text(RULE)
    tuppence("run", "--store", "demo", "--rules", "own.yaml", "--as-of", "2026-06-30")
    assert "Good morning" in tuppence("feed", "C0000001", "--store", "demo")
    where = "import tuppence; print(tuppence.__file__)"
    found = subprocess.check_output([place / "bin/python", "-c", where], text=True, cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(packages)


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
