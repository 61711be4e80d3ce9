"""CSV and Parquet files as tables of texts, not yet interpreted by a mapping."""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.bankdata.mapping import Mapping
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.rows import OWNER
from tuppence.plain_text import from_editable_cell
from tuppence.structured import read_bytes

MAX_BYTES: Final = 2_000_000_000
ROW: Final = "row in file"
REASON: Final = "reason set aside"
REJECTS: Final = ("row", "reason")
"""The first two columns of a file of rejects; `ROW` and `REASON` if the file has such columns."""
_REJECTS_BEGIN: Final = tuple(
    f"{row},{reason},".encode() for row, reason in (REJECTS, (ROW, REASON))
)


def read_raw(path: Path, mapping: Mapping) -> pl.DataFrame:
    """Return all columns as texts, with the number of each row and, for a ragged one, the reason.

    Args:
        path: CSV or Parquet.
        mapping: Says what its columns mean.

    Raises:
        UserError: The file cannot be read, or lacks columns that the mapping names.
    """
    data = read_bytes(path, MAX_BYTES)
    if not data:
        raise UserError("file.empty", f"{path}: the file is empty")
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    frame = read(path, data, mapping)
    if frame.height == 0:
        raise UserError("file.empty", f"{path}: the file has a header and no rows")
    _check_columns(path, mapping, own_columns(frame))
    if REASON not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias(REASON))
    return frame.with_columns(pl.int_range(1, pl.len() + 1).alias(ROW))


def _read_parquet(path: Path, data: bytes, mapping: Mapping) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(data)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError("file.parquet", f"{path}: not a Parquet file: {error}") from None
    texts = [
        pl.col(name).dt.strftime(mapping.date_format) if kind.is_temporal() else pl.col(name)
        for name, kind in frame.schema.items()
    ]
    return frame.select(text.cast(pl.String) for text in texts)


def _read_csv(path: Path, data: bytes, mapping: Mapping) -> pl.DataFrame:
    is_rejects = data.removeprefix(codecs.BOM_UTF8).startswith(_REJECTS_BEGIN)
    encoding = "utf-8" if is_rejects else mapping.encoding
    delimiter = "," if is_rejects else mapping.delimiter
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}: line {line} is not {encoding} text"
        hint = "name the file's encoding in the mapping, such as encoding: windows-1252"
        raise UserError("file.encoding", message, hint) from None
    if "\0" in text:
        hint = "is it a spreadsheet or an archive? Save it as CSV first"
        raise UserError("file.binary", f"{path}: this is not a text file", hint)
    widths = {len(row) for row in csv.reader(io.StringIO(text), delimiter=delimiter)}
    if len(widths) > 1:
        frame = _read_ragged(text, delimiter)
    else:
        frame = pl.read_csv(io.BytesIO(text.encode()), separator=delimiter, infer_schema=False)
    return _as_in_file(frame) if is_rejects else frame


def _as_in_file(rejects: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that the file had from which the rows were rejected."""
    whole = rejects.drop(*rejects.columns[:2], *OWNER, strict=False)
    whole = whole.rename({f"{n} in the file": n for n in OWNER}, strict=False)
    undo = pl.exclude(REASON).map_elements(from_editable_cell, return_dtype=pl.String)
    return whole.with_columns(undo).rename(from_editable_cell)


def _read_ragged(text: str, delimiter: str) -> pl.DataFrame:
    """Read a CSV in which some rows have too many or too few fields; these get a reason."""
    header, *rows = filter(None, csv.reader(io.StringIO(text), delimiter=delimiter))
    width = len(header)
    rows = [row if len(row) == width else _masked_row(row) for row in rows]
    whole = [(row + [""] * width)[:width] for row in rows]
    names = [name or f"column {i}" for i, name in enumerate(header, 1)]
    frame = pl.DataFrame(whole, schema=dict.fromkeys(names, pl.String), orient="row")
    reasons = [
        None if len(row) == width else f"{len(row)} fields where the header has {width}"
        for row in rows
    ]
    return frame.with_columns(pl.Series(REASON, reasons, dtype=pl.String))


def _masked_row(row: Sequence[str]) -> list[str]:
    """Mask card numbers in a row, also those that the delimiter splits over several fields."""
    return masked("\x1f".join(row)).split("\x1f")


def _check_columns(path: Path, mapping: Mapping, names: Sequence[str]) -> None:
    for column, place in mapping.sources().items():
        if column in names:
            continue
        message = f"{path}: there is no column {column!r}, which the mapping names at {place}"
        hint = f"the file has: {', '.join(names)}"
        other = next((d for d in ";\t|," if len(names) == 1 and d in names[0]), None)
        if other and other != mapping.delimiter:
            name = "a tab" if other == "\t" else other
            hint = f"its fields seem to be separated by {name}: set delimiter in the mapping"
        raise UserError("import.unknown-column", message, hint)


def own_columns(raw: pl.DataFrame) -> list[str]:
    """Return the names of the file's own columns.

    Args:
        raw: A table that `read_raw` returned.
    """
    return [name for name in raw.columns if name not in {ROW, REASON}]
