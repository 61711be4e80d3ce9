"""Files of rows that an import set aside: CSV that a spreadsheet can open without harm."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from tuppence.plain_text import from_spreadsheet_safe, spreadsheet_safe


def rejects_csv(rejects: pl.DataFrame) -> bytes:
    """Return rows as CSV in which no cell is a formula: an apostrophe stands before it.

    Args:
        rejects: The rows.
    """
    return _each_text(rejects, spreadsheet_safe).write_csv().encode()


def read_rejects(path: Path) -> pl.DataFrame:
    """Return the rows that `rejects_csv` was given, as texts.

    Args:
        path: A file with what it returned.
    """
    return _each_text(pl.read_csv(path.read_bytes(), infer_schema=False), from_spreadsheet_safe)


def _each_text(frame: pl.DataFrame, change: Callable[[str], str]) -> pl.DataFrame:
    texts = pl.col(pl.String).map_elements(change, return_dtype=pl.String)
    return frame.with_columns(texts).rename(change)
