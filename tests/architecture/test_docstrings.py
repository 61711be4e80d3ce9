"""Docstrings define a thing or begin with a verb; a linter checks the verbs of functions."""

import ast
import functools
import itertools
import re
from pathlib import Path
from typing import Final

import pytest
from tests.building import ROOT

FOLDERS: Final = ("src", "infra", "local", "benchmarks", "training", "docs", "tests")
FRAGMENTS: Final = frozenset({"How", "What", "When", "Where", "Whether", "Which", "Who", "Why"})
STUB: Final = re.compile(
    r"^ +[a-z_]+: (?:As|At|From|How|In|Of|That|What|When|Where|Which|Who|Why)\b.*", re.MULTILINE
)
"""Matches an attribute or an argument that is not described by a definition."""
DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_a_fragment(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert [found for path in files for found in fragments(path)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_attributes_and_arguments_are_described_by_definitions(folder: str) -> None:
    texts = {path: docstrings(path) for path in sorted((ROOT / folder).rglob("*.py"))}
    assert [
        f"{path}: {stub}" for path in texts for t in texts[path] for stub in STUB.findall(t)
    ] == []


def test_a_stub_is_found(tmp_path: Path) -> None:
    path = tmp_path / "stub.py"
    path.write_text('def f(a):\n    """Return it.\n\n    Args:\n        a: Of the file.\n    """\n')
    assert [STUB.findall(text) for text in docstrings(path)] == [[], ["    a: Of the file."]]


def test_a_fragment_about_a_constant_is_found(tmp_path: Path) -> None:
    path = tmp_path / "fragment.py"
    path.write_text('A = 1\n"""How many there are."""\n')
    assert fragments(path) == [f"{path}: How many there are."]


@functools.cache  # two tests read each file
def docstrings(path: Path) -> list[str]:
    """Return the docstrings of a file, those of constants too; one that is missing is empty."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    found = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, DOCUMENTED)]
    for node in nodes:
        body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
        for before, one in itertools.pairwise(body):
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(one, ast.Expr):
                value = one.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found.append(value.value)
    return found


def fragments(path: Path) -> list[str]:
    """Return the docstrings of a file that are neither a definition nor a sentence."""
    texts = [text.split("\n")[0] for text in docstrings(path)]
    return [f"{path}: {text}" for text in texts if text.split(" ")[0] in FRAGMENTS]
