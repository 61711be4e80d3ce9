"""The page on the architecture has every part of the package, and every use case."""

import re
from pathlib import Path

import pytest
from tests.building import ROOT

PACKAGE = ROOT / "src/tuppence"
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "usecases"], ids=["layers", "use cases"])
def test_the_page_names_every_module(folder: Path) -> None:
    modules = {path.parent if path.name == "__init__.py" else path for path in python_files(folder)}
    names = {path.stem for path in modules if not path.stem.startswith("__")} - {folder.stem}
    assert len(names) > 15
    assert {name for name in names if not re.search(rf"`{name}/?`", PAGE)} == set()


def python_files(folder: Path) -> list[Path]:
    """Return the modules of a folder, and the first file of each package in it."""
    return [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
