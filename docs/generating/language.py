"""The fields, functions and syntax of rules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tuppence.facts.schema import COLLECTIONS, Schema, collection_doc
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import strip
from tuppence.rules.domain import documented_definitions

SPEC: Final = Path(__file__).parents[2] / "tests" / "spec"


def schema_page() -> Iterator[str]:
    """Yield the fields of everything that a rule may read."""
    yield "# What a rule may read\n"
    yield "The same list is printed by `tuppence schema`.\n"
    for name in ("customer", *COLLECTIONS):
        yield f"## {name}\n"
        yield collection_doc(name) + "\n"
        if name in {"payments", "receipts"}:
            yield "The same fields as `transactions`.\n"
            continue
        yield "| field | type | unit | meaning |\n|---|---|---|---|"
        for field in Schema().fields(name):
            kind = str(strip(field.feel_type)) + (" or null" if field.nullable else "")
            doc = f"{field.doc} Personal." if field.personal else field.doc
            yield f"| `{field.name}` | {kind} | {field.unit} | {doc} |"
        yield ""


def functions_page() -> Iterator[str]:
    """Yield the domain functions and the built-in ones."""
    yield "# Functions\n\n## Of this project\n"
    yield "Written in FEEL, in `src/tuppence/rules/domain.feel`.\n"
    yield "| function | meaning |\n|---|---|"
    for signature, meaning in documented_definitions():
        yield f"| `{signature}` | {meaning} |"
    yield "\n## Of the language\n\n| function | meaning |\n|---|---|"
    for name in sorted(BUILTINS):
        yield f"| `{BUILTINS[name].signature}` | {BUILTINS[name].doc} |"


def language_page() -> Iterator[str]:
    """Yield the specification in tests/spec as one page."""
    yield "# The language, by example\n"
    yield "Each row runs as a test on each engine. `now()` is noon on 30 June 2026.\n"
    for path in sorted(SPEC.glob("*.md")):
        yield "\n".join(
            f"#{line}" if line.startswith("# ") else line
            for line in path.read_text("utf-8").strip().splitlines()
        )
        yield ""
