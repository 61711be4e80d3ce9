"""The public conformance cases: exactly those that the reference names are missed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.building import ROOT, SHARED

CASES = SHARED / "conformance"

pytestmark = pytest.mark.skipif(
    not CASES.exists(), reason="the conformance cases are not part of this project"
)


def test_only_the_documented_cases_are_missed(tmp_path: Path) -> None:
    fails = tmp_path / "fails"
    command = [str(CASES / "run_tck.py"), str(CASES / "feel-tck.jsonl"), "--fails", str(fails)]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, cwd=ROOT
    )
    missed = {line.split(" | ")[0] for line in fails.read_text().splitlines() if line}
    page = (ROOT / "docs/reference/conformance.md").read_text()
    documented = set(re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE))
    assert missed == documented
    assert done.stdout.strip() in page
