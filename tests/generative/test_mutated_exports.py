"""Damaged OFX, QIF, MT940 and camt.053 files end in rows, in rejects or in one clear error."""

import random
from pathlib import Path
from typing import Final

import pytest
from tests.building import TOKENS
from tests.generative.test_mutated_files import mutated
from tests.unit.bankdata.test_exports import FORMATS, NOBODY, TODAY

from tuppence.bankdata.exports import read_exports
from tuppence.bankdata.statement import read_statement
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

FILES: Final = 400


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    module, text, given = FORMATS[name]
    chance = random.Random(f"{name} 1")
    path = tmp_path / f"statement{module.ENDINGS[0]}"
    read = 0
    for number in range(FILES):
        data = text.encode()
        path.write_bytes(mutated(data, data, chance))
        try:
            documents = read_exports([path], module.ENDINGS, module.decode, given)
            found = read_statement(documents, module.items, "me", Schema(), NOBODY, TODAY, TOKENS)
        except UserError:
            continue
        except Exception:
            raise AssertionError(f"file {number}: {path.read_bytes()!r}") from None
        read += 1
        assert found.table.count >= found.table.rejects.height
    assert read > FILES / 50  # damage does not end everything; most of it ends XML
