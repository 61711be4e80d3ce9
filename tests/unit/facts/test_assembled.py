"""Batches of columns in any order, and columns of Arrow streams."""

import io
import random
from typing import Any

import nanoarrow
import polars as pl
import pytest
from tests.building import frame

from tuppence.facts.arrow import arrow_columns, joined
from tuppence.facts.assembled import assembled, column_of
from tuppence.facts.batch import Column, FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import POLARS_TYPES, columns
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


def stream(frames: list[pl.DataFrame]) -> io.BytesIO:
    """One Arrow stream, with a batch for each frame."""
    pyarrow = pytest.importorskip("pyarrow")
    sink = io.BytesIO()
    batches = [batch for one in frames for batch in one.to_arrow().to_batches()]
    plain_schema = pyarrow.schema([
        (f.name, pyarrow.string() if pyarrow.types.is_large_string(f.type) else f.type)
        for f in frames[0].to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    ])  # fmt: skip
    with pyarrow.ipc.new_stream(sink, plain_schema) as writer:
        for one in batches:
            writer.write_batch(pyarrow.Table.from_batches([one]).cast(plain_schema).to_batches()[0])
    return io.BytesIO(sink.getvalue())


def test_columns_of_a_stream_are_those_of_its_rows() -> None:
    frames = tables(5)
    parts = [
        frames["transactions"][:50],
        frames["transactions"][50:53],
        frames["transactions"][53:],
    ]
    fields = columns("transactions", SCHEMA)
    found = arrow_columns(nanoarrow.ArrayStream.from_readable(stream(parts)), fields)
    assert set(found) == set(frames["transactions"].columns)
    for name, column in found.items():
        wanted = column_of(frames["transactions"][name].to_list(), fields[name])
        assert feel_values(column, 120, 2) == feel_values(wanted, 120, 2)
        assert len(column.dictionary) == len(set(column.dictionary))


def test_columns_of_several_streams_are_joined() -> None:
    frames = tables(6)
    parts = [in_columns({**frames, "transactions": frames["transactions"][part]})[2]
             for part in (slice(0, 70), slice(70, 120))]  # fmt: skip
    whole = in_columns(frames)[2]
    for name, column in joined(parts).items():
        assert feel_values(column, 120, 2) == feel_values(whole[name], 120, 2)


def test_a_column_of_another_type_is_refused() -> None:
    wrong = pl.DataFrame({"amount": ["1"]}, schema={"amount": POLARS_TYPES[FieldType.TEXT]})
    with pytest.raises(TypeError, match="the column amount is of type STRING"):
        arrow_columns(
            nanoarrow.ArrayStream.from_readable(stream([wrong])), columns("transactions", SCHEMA)
        )
