"""Damaged OFX, QIF, MT940 and camt.053 files end in rows, in rejects or in one clear error."""

import random
from pathlib import Path

import pytest
from tests.building import NOBODY, TOKENS
from tests.generative.mutating import end_of, mutated
from tests.statements import FORMATS, TODAY

from tuppence.bankdata.exports import read_exports
from tuppence.bankdata.statement import read_statement
from tuppence.errors import UserError
from tuppence.facts.schema import Schema


@pytest.mark.parametrize("files", [60, pytest.param(4_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str, files: int, tmp_path: Path) -> None:
    module, text, given = FORMATS[name]
    chance = random.Random(f"{name} 1")
    path = tmp_path / f"statement{module.ENDINGS[0]}"
    read = 0
    for number in range(files):
        data = text.encode()
        path.write_bytes(mutated(data, data, chance))
        try:
            documents = read_exports([path], module.ENDINGS, module.decode, given)
            found = read_statement(documents, module.items, "me", Schema(), NOBODY, TODAY, TOKENS)
        except UserError:
            continue
        except Exception as error:
            raise AssertionError(f"file {number}: {path.read_bytes()!r}") from error
        read += 1
        rows = found.table.rows.transactions
        end_of(found.table, 0 if rows is None else rows.height)
    assert read > files / 50  # damage does not end everything; most of it ends XML
