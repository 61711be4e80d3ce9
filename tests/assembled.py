"""Tables in any order, and as columns, for tests of batches."""

import random
from typing import Any

import polars as pl
from tests.building import frame

from tuppence.facts.assembled import column_of
from tuppence.facts.batch import Column
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema

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
