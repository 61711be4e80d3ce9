"""Docstrings define a thing or begin with a verb; a linter checks the verbs of functions."""

import ast
from pathlib import Path
from typing import Final

import pytest
from tests.building import ROOT

FOLDERS: Final = ("src", "infra", "local", "benchmarks", "training", "docs", "tests")
FRAGMENTS: Final = frozenset({"How", "What", "When", "Where", "Whether", "Which", "Who", "Why"})
DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_a_fragment(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert [found for path in files for found in fragments(path)] == []


def fragments(path: Path) -> list[str]:
    """Return the docstrings of a file that are neither a definition nor a sentence."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DOCUMENTED)]
    texts = [(ast.get_docstring(node) or "").split("\n")[0] for node in nodes]
    return [f"{path}: {text}" for text in texts if text.split(" ")[0] in FRAGMENTS]
