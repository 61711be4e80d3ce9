"""Write the pages of docs/reference from the code; with --check only compare."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import typer

from tuppence.bankdata.mapping import Mapping as MappingFile
from tuppence.cli.app import build
from tuppence.facts.schema import COLLECTIONS, Schema, collection_doc
from tuppence.feel.diagnostics import EXPLANATIONS
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import strip
from tuppence.rules.domain import documented_definitions
from tuppence.rules.message import FILTERS
from tuppence.rules.rule import Example, Message, Rule

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made from the code by `make docs`; change it there. -->\n"


def schema_page() -> Iterator[str]:
    """Fields of everything a rule may read."""
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
            yield f"| `{field.name}` | {kind} | {field.unit} | {field.doc} |"
        yield ""


def functions_page() -> Iterator[str]:
    """Domain functions and built-in ones."""
    yield "# Functions\n\n## Of this project\n"
    yield "Written in FEEL, in `src/tuppence/rules/domain.feel`.\n"
    yield "| function | meaning |\n|---|---|"
    for signature, meaning in documented_definitions():
        yield f"| `{signature}` | {meaning} |"
    yield "\n## Of the language\n\n| function | meaning |\n|---|---|"
    for name in sorted(BUILTINS):
        yield f"| `{BUILTINS[name].signature}` | {BUILTINS[name].doc} |"


def diagnostics_page() -> Iterator[str]:
    """Every code, with its meaning."""
    yield "# Diagnostics\n"
    yield "What `tuppence rules check` may find, and what a run may count.\n"
    yield "| code | meaning | how to mend it |\n|---|---|---|"
    for code, (meaning, mending) in sorted(EXPLANATIONS.items()):
        yield f"| `{code}` | {meaning} | {mending} |"


def attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Names and meanings from the section Attributes of a docstring."""
    section = (kind.__doc__ or "").partition("Attributes:")[2]
    name, meaning = "", ""
    for line in section.splitlines():
        stripped = line.strip()
        if line.startswith("        ") and not line.startswith("         ") and ": " in stripped:
            if name:
                yield name, meaning
            name, _, meaning = stripped.partition(": ")
        elif stripped:
            meaning += f" {stripped}"
    if name:
        yield name, meaning


def structure(kind: type[msgspec.Struct]) -> Iterator[str]:
    """A table of the keys of a file's struct."""
    required = {f.name for f in msgspec.structs.fields(kind) if f.required}
    yield "| key | | meaning |\n|---|---|---|"
    for name, meaning in attributes(kind):
        yield f"| `{name}` | {'must be there' if name in required else ''} | {meaning} |"
    yield ""


def files_page() -> Iterator[str]:
    """The keys of the files that people write."""
    yield "# Files that people write\n\n## A rule\n"
    yield "YAML; `tuppence rules schema` prints its JSON Schema for editors.\n"
    yield from structure(Rule)
    yield "`message` has `title` and `body`, " + (Message.__doc__ or "").split(": ", 1)[1] + "\n"
    yield f"Filters for values in it: {', '.join(f'`{name}`' for name in FILTERS)}.\n"
    yield "### One of its tests\n"
    yield from structure(Example)
    yield "## A mapping\n\nWhat the columns of a table mean, for `tuppence import csv`.\n"
    yield from structure(MappingFile)


def commands_page() -> Iterator[str]:
    """Every command with its options."""
    yield "# Commands\n"
    root = typer.main.get_command(build())
    context = typer.Context(root, info_name="tuppence")

    def describe(command: object, name: str) -> Iterator[str]:
        children = getattr(command, "commands", {})
        if children:
            for child, found in children.items():
                yield from describe(found, f"{name} {child}")
            return
        yield f"## {name}\n"
        yield (getattr(command, "help", "") or "").replace("\n\n", "\n\n").strip() + "\n"
        yield "| option | | |\n|---|---|---|"
        for parameter in getattr(command, "params", []):
            if parameter.name == "help":
                continue
            names = ", ".join(f"`{option}`" for option in parameter.opts)
            if parameter.param_type_name == "argument":
                names = f"`{parameter.name.upper()}`"
            extra = "needed" if parameter.required else ""
            default = parameter.get_default(context)
            if not parameter.required and default is not None and parameter.name != "processes":
                extra = f"default {default}"
            yield f"| {names} | {extra} | {getattr(parameter, 'help', '') or ''} |"
        yield f"\n{getattr(command, 'epilog', '') or ''}\n"

    yield from describe(root, "tuppence")


def language_page() -> Iterator[str]:
    """The specification in tests/spec, in one page."""
    yield "# The language, by example\n"
    yield "Each row runs as a test, on each engine. `now()` is noon on 30 June 2026.\n"
    for path in sorted((ROOT / "tests/spec").glob("*.md")):
        yield "\n".join(
            f"#{line}" if line.startswith("# ") else line
            for line in path.read_text("utf-8").strip().splitlines()
        )
        yield ""


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "schema.md": schema_page,
    "functions.md": functions_page,
    "diagnostics.md": diagnostics_page,
    "language.md": language_page,
    "files.md": files_page,
    "commands.md": commands_page,
}


def main() -> int:
    """Write the pages, or name those that are out of date."""
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = NOTE + "\n".join(page()).rstrip() + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(str(path))
        else:
            path.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}: run make docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
