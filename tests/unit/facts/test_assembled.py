"""Batches of columns in any order."""

import random
from typing import Any

import polars as pl
import pytest
from tests.building import frame

from tuppence.facts.assembled import assembled, column_of
from tuppence.facts.batch import Column, FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.facts.values import feel_values

SCHEMA = Schema((Field("pets", FieldType.NUMBER, "Number of pets."),))


def tables(seed: int, customers: int = 6, rows: int = 120) -> dict[str, pl.DataFrame]:
    """Tables whose rows are in any order."""
    source = random.Random(seed)  # noqa: S311 - repeatable
    ids = [f"c{n}" for n in range(customers)]
    accounts = [f"a{n}" for n in range(2 * customers)]
    made: dict[str, list[dict[str, Any]]] = {
        "customers": [
            {"id": one, "currency": "GBP", "country": source.choice(("GB", "DE", None)),
             "pets": source.choice((0, 3, None)), "since": source.choice((None, 18_000))}
            for one in ids
        ],
        "accounts": [
            {"id": one, "customer": ids[n // 2], "type": source.choice(("current", "savings")),
             "opened": source.choice((None, 19_000))}
            for n, one in enumerate(accounts)
        ],
        "transactions": [
            {"id": f"t{n}", "sequence": n, "account": source.choice(accounts),
             "booking date": 20_000 + source.randrange(5), "amount": source.randrange(-9, 9),
             "own transfer": source.random() < 0.1, "refunded": source.choice((True, False, None)),
             "merchant": source.choice(("Åm", "M", None)), "merchant confidence": None,
             "category": source.choice(("food", None)),
             "category confidence": source.choice((None, 60)), "text": source.choice(("", "x y"))}
            for n in range(rows)
        ],
    }  # fmt: skip
    for of_table in made.values():
        source.shuffle(of_table)
    return {name: frame(name, of_table, SCHEMA) for name, of_table in made.items()}


def in_columns(frames: dict[str, pl.DataFrame]) -> list[dict[str, Column]]:
    return [
        {
            name: column_of(frames[table][name].to_list(), field)
            for name, field in columns(table, SCHEMA).items()
            if name in frames[table].columns and (table, name) != ("transactions", "id")
        }
        for table in ("customers", "accounts", "transactions")
    ]


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
