"""Checks that the code and the tests that the threat model names exist."""

import ast
import re
from typing import Final

import pytest
from tests.building import ROOT

PAGE: Final = (ROOT / "docs/explanation/threat-model.md").read_text()
TESTS: Final = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## Threats")[1].split("## What is not")[0].splitlines()
    if line.startswith("|") and not line.startswith(("|--", "| threat"))
]


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    functions = ast.parse((ROOT / "tests" / file).read_text()).body
    assert test in {one.name for one in functions if isinstance(one, ast.FunctionDef)}


def test_every_threat_has_its_code_and_its_test() -> None:
    assert len(ROWS) > 25
    for threat, _, code, proof in ROWS:
        assert re.search(r"::|`make ", proof), threat
        for path in re.findall(r"`([^`]+)`", code):
            places = (ROOT / "src/tuppence" / path, ROOT / path, MIGRATIONS / path)
            assert any(place.exists() for place in places), f"{threat}: {path}"


MIGRATIONS: Final = ROOT / "src/tuppence/adapters/postgres/migrations/versions"
