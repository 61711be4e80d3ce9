"""Rows of an import that may be stored ones, and what is told of them."""

from typing import Any

import polars as pl
import pytest
from tests.building import day, frame

from tuppence.bankdata.identity import identified


def rows(*given: tuple[str, int, str], name: str = "c", **more: Any) -> pl.DataFrame:
    """Return transactions: day, amount and text of each."""
    made = [
        {
            "id": f"~{name * 18}-{number}", "sequence": number, "own transfer": False,
            "account": "main", "booking date": day(date), "amount": amount, "text": text, **more,
        }
        for number, (date, amount, text) in enumerate(given)
    ]  # fmt: skip
    return frame("transactions", made)


TEA, CAKE = ("2026-06-24", -350, "TEA"), ("2026-06-24", -500, "CAKE")
LATER = ("2026-06-25", -350, "TEA")


@pytest.mark.parametrize(
    ("file", "is_told"),
    [
        ((TEA, CAKE), False),
        ((TEA, TEA, CAKE, LATER), False),
        ((LATER,), False),
        ((CAKE, LATER), True),  # without the tea of the day it is not the whole day
        ((TEA, LATER), True),
        ((("2026-06-24", -900, "PIE"),), False),  # nothing of it is taken for a stored row
    ],
)
def test_a_file_with_a_part_of_a_stored_day_is_told(
    file: tuple[tuple[str, int, str], ...], is_told: bool
) -> None:
    stored = rows(("2026-06-23", -100, "BUS"), TEA, CAKE, name="a")
    found = identified(rows(*file, name="b"), stored)
    assert ["1 rows equal stored rows of their day" in one for one in found.doubts] == (
        [True] if is_told else []
    )
    if is_told:
        assert "(the first: 2026-06-24)" in found.doubts[0]


def test_rows_with_balances_or_identifiers_of_the_bank_are_never_a_part_in_doubt() -> None:
    stored = rows(TEA, CAKE, name="a")
    told = rows(TEA, name="b", balance=100)
    assert identified(told, rows(TEA, CAKE, name="a", balance=100)).doubts == ()
    named = rows(TEA).with_columns(id=pl.lit("BANK1"))
    both = pl.concat([named, rows(CAKE)])
    assert identified(named, both).doubts == ()
    assert len(identified(rows(TEA, name="b"), stored).doubts) == 1
