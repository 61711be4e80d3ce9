"""The codes of diagnostics and of errors, gathered from the code."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tuppence.feel.diagnostics import EXPLANATIONS
from tuppence.rules.files import CATALOGUE

SOURCE: Final = CATALOGUE.parent

_ERRORS: Final = frozenset({"UserError", "TransientError"})
"""The classes of errors that have a code."""


def diagnostics_page() -> Iterator[str]:
    """Yield every code with its meaning."""
    yield "# Diagnostics\n"
    yield "The findings of `tuppence rules check`, and the problems that a run counts.\n"
    yield "| code | meaning | how to fix it |\n|---|---|---|"
    for code, (meaning, mending) in sorted(EXPLANATIONS.items()):
        yield f"| `{code}` | {meaning} | {mending} |"
    yield "\n## Errors of commands, functions and services\n"
    yield (
        "Commands print the code in brackets: `error[file.missing]: …`. The Python API raises\n"
        "`tuppence.UserError` with it, and the services answer with it "
        "([their statuses](http.md#errors)).\n"
        "The table shows one message for each code; `…` stands for the parts that vary, "
        "`SERVICE` for the name of the service that was called.\n"
    )
    yield "| code | message | what to do |\n|---|---|---|"
    for one in error_codes():
        yield (
            "| "
            + " | ".join(cell.replace("|", "\\|") for cell in (f"`{one.code}`", *one[1:]))
            + " |"
        )


class Code(NamedTuple):
    """A stable code of an error.

    Attributes:
        code: The code that programs match; parts in capitals vary.
        message: One of its messages; `…` stands for the parts that vary.
        hint: Advice on what to do, or empty.
    """

    code: str
    message: str
    hint: str


def error_codes(*paths: Path) -> list[Code]:
    """Return the code of every `UserError` in some files, each with one of its messages.

    Args:
        paths: The files; all of the source if there are none.
    """
    found: dict[str, list[Code]] = defaultdict(list)
    for path in paths or sorted(SOURCE.rglob("*.py")):
        for one in _codes_of(path):
            found[one.code].append(one)
    return sorted(max(codes, key=lambda one: bool(one.message)) for codes in found.values())


def _codes_of(path: Path) -> Iterable[Code]:
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in _ERRORS):
            continue
        inside = [f for f in functions if f.lineno <= node.lineno <= (f.end_lineno or 0)]
        around = max(inside, key=lambda f: f.lineno, default=tree)
        arguments = [_text(part, around, node.lineno) for part in node.args[:3]]
        code, message, hint = (*arguments, "", "")[:3]
        if re.fullmatch(r"[a-z…]+(\.[a-z-]+)+", code):
            yield Code(code.replace("…", "SERVICE"), message, hint)


def _text(node: ast.expr, around: ast.AST, line: int) -> str:
    """Return a text in the source, with `…` in place of parts that are known only at run time."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (_text(part, around, line) for part in node.values)
        return re.sub(r"…['\"]?…", "…", "".join(parts))
    if isinstance(node, ast.Name):
        given = [
            one
            for one in ast.walk(around)
            if isinstance(one, ast.Assign)
            and one.lineno < line
            and ast.unparse(one.targets[0]) == node.id
        ]
        if given:
            last = max(given, key=lambda one: one.lineno)
            return _text(last.value, around, last.lineno)
    return "…"
