"""Long modules and long functions say why they are not shorter."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.building import ROOT

MODULES: Final = sorted((ROOT / "src").rglob("*.py"))
MAX_MODULE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST) -> Iterator[Function]:
    """Yield the functions in a node that are in no other function of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child
        else:
            yield from functions(child)


def span(function: Function) -> int:
    """Return the number of lines of a function with its decorators."""
    first = min([function.lineno, *(one.lineno for one in function.decorator_list)])
    return (function.end_lineno or first) - first + 1


def own_lines(function: Function) -> int:
    """Return the number of lines of a function without those of the functions in it."""
    return span(function) - sum(map(span, functions(function)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_long_module_or_function_says_why(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    if text.count("\n") > MAX_MODULE_LINES:
        assert "\nOne module because " in (ast.get_docstring(tree) or "")
    for node in ast.walk(tree):
        if isinstance(node, Function) and own_lines(node) > MAX_FUNCTION_LINES:
            assert "One function because " in (ast.get_docstring(node) or ""), node.name
