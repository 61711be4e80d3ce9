"""Write the generated pages and pictures of the documentation; with --check, only compare them."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.generating.banks import banks_page
from docs.generating.catalogue import catalogue_page
from docs.generating.commands import commands_page
from docs.generating.cost import cost_page
from docs.generating.diagnostics import diagnostics_page
from docs.generating.enrichment import enrichment_page, reliability_picture
from docs.generating.files import files_page
from docs.generating.http import http_page
from docs.generating.language import functions_page, language_page, schema_page
from docs.generating.mapping import mapping_page
from docs.generating.parts import parts_page
from docs.generating.words import words_page

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
NOTE: Final = "<!-- Made from the code by `make docs`; change it there. -->\n"


def decisions_page() -> Iterator[str]:
    """Yield a list of the decisions, by number."""
    yield "# Decisions\n"
    yield "Each says what was decided, why, and what it costs. Some numbers were never used.\n"
    for path in sorted((ROOT / "docs/adr").glob("0*.md")):
        title = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({path.name})"


PAGES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "schema.md": schema_page,
    "functions.md": functions_page,
    "diagnostics.md": diagnostics_page,
    "language.md": language_page,
    "files.md": files_page,
    "mapping.md": mapping_page,
    "banks.md": banks_page,
    "commands.md": commands_page,
    "http.md": http_page,
    "cost.md": cost_page,
    "parts.md": parts_page,
    "catalogue.md": catalogue_page,
    "words.md": words_page,
    "../adr/index.md": decisions_page,
    "enrichment.md": enrichment_page,
    "enrichment.svg": reliability_picture,
}


def main() -> int:
    """Write the pages, or list those that are out of date."""
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        note = "" if path.suffix == ".svg" else NOTE
        text = note + "\n".join(page()).rstrip() + "\n"
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
