"""Batches of columns in any order."""

from typing import Any

import pytest
from tests.assembled import SCHEMA, in_columns, tables

from tuppence.facts.assembled import assembled
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.values import feel_values


def plain(batch: FactBatch) -> dict[str, Any]:
    """A batch as lists."""
    found: dict[str, Any] = {"ids": batch.customer_ids}
    for table, of_table in (
        ("customers", batch.customers),
        ("accounts", batch.accounts.columns),
        ("transactions", batch.transactions.columns),
    ):
        for name, column in of_table.items():
            found[f"{table} {name}"] = feel_values(column, len(column.values), 2)
            found[f"{table} {name} is"] = column.kind, column.decimals
    return found | {
        "accounts": batch.accounts.offsets.tolist(),
        "transactions": batch.transactions.offsets.tolist(),
    }


@pytest.mark.parametrize("seed", range(3))
def test_columns_in_any_order_make_the_batch_that_frames_make(seed: int) -> None:
    frames = tables(seed)
    wanted = batch_from(ordered(coded(frames, SCHEMA)), SCHEMA)
    assert plain(assembled(*in_columns(frames))) == plain(wanted)


def test_nobody_makes_an_empty_batch() -> None:
    frames = {name: one.clear() for name, one in tables(0).items()}
    batch = assembled(*in_columns(frames))
    assert len(batch) == 0
    assert batch.transactions.offsets.tolist() == [0]
