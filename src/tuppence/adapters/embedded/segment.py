"""The files of a segment."""

import io
from collections.abc import Mapping

import msgspec
import polars as pl

from tuppence.facts.coded import Coded, coded
from tuppence.facts.schema import Schema


def segment_files(content: Coded) -> dict[str, bytes]:
    """The bytes of the files that hold the content, by name."""
    files = {"dictionaries.json": msgspec.json.encode(content.dictionaries)}
    for table in ("customers", "accounts", "transactions"):
        frame: pl.DataFrame = getattr(content, table)
        if frame.height:
            buffer = io.BytesIO()
            frame.write_parquet(buffer, compression="zstd", compression_level=1)
            files[f"{table}.parquet"] = buffer.getvalue()
    return files


def read_segment(files: Mapping[str, bytes], schema: Schema) -> Coded:
    """The content from the bytes of its files; a table without a file is empty."""
    dictionaries = msgspec.json.decode(
        files.get("dictionaries.json", b"{}"), type=dict[str, list[str]]
    )
    empty = coded({}, schema)
    frames: dict[str, pl.DataFrame] = {}
    for table in ("customers", "accounts", "transactions"):
        data = files.get(f"{table}.parquet")
        frames[table] = getattr(empty, table) if data is None else pl.read_parquet(io.BytesIO(data))
    return Coded(frames["customers"], frames["accounts"], frames["transactions"], dictionaries)
