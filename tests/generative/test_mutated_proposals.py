"""Damaged statements without a mapping end in a proposal or in one clear error."""

import random
from pathlib import Path
from typing import Final

from tests.building import NOBODY
from tests.generative.mutating import mutated
from tests.statements import SAMPLES, TODAY

from tuppence.bankdata.banks import shipped_banks
from tuppence.bankdata.evidence import Circumstances
from tuppence.bankdata.proposal import propose
from tuppence.bankdata.proposed import mapping_text
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

FILES: Final = 4


def test_damaged_statements_are_proposed_for_or_refused(tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "bank.csv"
    about = Circumstances(Schema(), NOBODY, TODAY, lambda text: "BASKET" in text)
    proposed = 0
    for name in shipped_banks():
        source = (SAMPLES / f"{name}.csv").read_bytes().decode("utf-8", "replace")
        header, _, rows = source.partition("\n")
        for number in range(FILES):  # some without their header, or with one that no bank has
            text = rows if number % 2 else source.replace(header, header.replace("e", "3"), 1)
            data = (text if number % 4 else source).encode()
            path.write_bytes(mutated(data, data, chance))
            try:
                found = propose(path, about)
            except UserError:
                continue
            except Exception as error:
                raise AssertionError(f"{name}: {path.read_bytes()!r}") from error
            proposed += 1
            assert mapping_text(found)
    assert proposed > FILES * len(shipped_banks()) / 4
