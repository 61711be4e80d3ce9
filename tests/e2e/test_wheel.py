"""Checks the wheel, installed where nothing else is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.building import ROOT, RULES

UV = shutil.which("uv") or ROOT / ".tools/bin/uv"


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., str]:
    """Return the program from the wheel, in an environment with nothing but its dependencies."""
    python = tmp_path / "environment/bin/python"
    build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    uv(*build, "--out-dir", tmp_path, ROOT)
    uv("venv", "--python", sys.executable, tmp_path / "environment")
    (wheel,) = tmp_path.glob("*.whl")
    locked = ("--constraint", ROOT / "requirements/dev.txt")
    uv("pip", "install", "--python", python, *locked, wheel)

    def run(*arguments: object) -> str:
        # Interpreted, as compiling the kernel for this environment takes longer than the rest.
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NUMBA_DISABLE_JIT": "1"}
        command = [str(python.with_name("tuppence")), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    return run


def uv(*arguments: object) -> None:
    subprocess.run([str(UV), "--quiet", *map(str, arguments)], check=True)


def test_the_installed_wheel_makes_a_feed(installed: Callable[..., str]) -> None:
    assert "insights" in installed("--help")
    assert "5 customers" in installed("synth", "--customers", 5, "--seed", 1, "--store", "money")
    rules = ("--rules", "catalogue", "--as-of", "2026-06-30")
    assert f"{RULES} rules as of 2026-06-30" in installed("run", "--store", "money", *rules)
    assert "C0000001 on 2026-06-30" in installed("feed", "C0000001", "--store", "money")
