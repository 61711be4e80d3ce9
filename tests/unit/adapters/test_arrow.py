"""Columns of Arrow streams."""

import io

import nanoarrow
import polars as pl
import pytest
from tests.assembled import SCHEMA, in_columns, tables

from tuppence.adapters.arrow import arrow_columns, joined
from tuppence.facts.assembled import column_of
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import FieldType
from tuppence.facts.values import feel_values


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
