"""The files of a segment."""

import io
from collections.abc import Collection, Mapping

import msgspec
import polars as pl

from tuppence.facts.coded import Coded, coded
from tuppence.facts.schema import Schema


def segment_files(content: Coded) -> dict[str, bytes]:
    """Return the files for a content: their bytes by name."""
    files = {"dictionaries.json": msgspec.json.encode(content.dictionaries)}
    for table in ("customers", "accounts", "transactions"):
        frame: pl.DataFrame = getattr(content, table)
        if frame.height:
            buffer = io.BytesIO()
            frame.write_parquet(
                buffer,
                compression="zstd",
                compression_level=1,
                row_group_size=frame.height,  # one row group: each column is read without a copy
            )
            files[f"{table}.parquet"] = buffer.getvalue()
    return files


def read_segment(
    files: Mapping[str, bytes], schema: Schema, fields: Collection[str] | None = None
) -> Coded:
    """Return the content of files; a table without a file is empty.

    Args:
        files: The bytes of the files by name.
        schema: The schema of the facts.
        fields: Columns of transactions to read; None for all.
    """
    dictionaries = msgspec.json.decode(
        files.get("dictionaries.json", b"{}"), type=dict[str, list[str]]
    )
    frames: dict[str, pl.DataFrame] = {}
    for table in ("customers", "accounts", "transactions"):
        data = files.get(f"{table}.parquet")
        if data is None:
            frames[table] = getattr(coded({}, schema), table)
        else:
            wanted = list(fields) if table == "transactions" and fields is not None else None
            frames[table] = pl.read_parquet(io.BytesIO(data), columns=wanted)
    return Coded(frames["customers"], frames["accounts"], frames["transactions"], dictionaries)
