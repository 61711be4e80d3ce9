"""CSV and Parquet files as tables of texts, before anybody looks at what they mean."""

import codecs
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from tuppence.bankdata.csv_records import Record, Splitter, lines_of, records_of
from tuppence.bankdata.encodings import UTF8, check_is_text, decoded
from tuppence.bankdata.mapping import BY_NUMBER, TableMapping
from tuppence.bankdata.parquet import read_parquet
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.rows import OWNER
from tuppence.plain_text import from_editable_cell
from tuppence.structured import read_bytes

MAX_BYTES: Final = 2_000_000_000
MAX_START: Final = 400
"""Maximum number of lines that are the start of a file."""
REJECTS: Final = ("row", "reason")
"""The first columns of rejects, before the file's own."""
OWN_REJECTS: Final = ("row in file", "reason set aside")
"""The first columns of rejects where the file has a column of the name of one of `REJECTS`."""
_REJECTS_BEGIN: Final = tuple(f"{row},{reason}," for row, reason in (REJECTS, OWN_REJECTS))
_BEFORE_HEADER: Final = 100
_CHUNK: Final = 50_000
_DECIMALS: Final = r"\d[.,]\d\d\D*$"
_ENOUGH: Final = 3
_CUT: Final = "the file seems to be cut off in this row"


class Table(NamedTuple):
    """A table of texts.

    Attributes:
        titles: Titles of the columns in the file; `column 3` where there is no title.
        cells: The texts, in columns `0`, `1`, ...
        reasons: Reasons against rows, such as that one is ragged; null for rows that can be taken.
        headers: Number of repetitions of the header, as where files were put together.
    """

    titles: tuple[str, ...]
    cells: pl.DataFrame
    reasons: pl.Series
    headers: int = 0


def read_raw(path: Path, mapping: TableMapping) -> Table:
    """Return all cells as texts.

    Args:
        path: CSV or Parquet.
        mapping: The meaning of its columns.

    Raises:
        UserError: The file cannot be read, or has not the columns that the mapping names.
    """
    data = read_bytes(path, MAX_BYTES)
    if not data:
        raise UserError("file.empty", f"{path}: the file is empty")
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    table = read(path, data, mapping)
    if table.cells.height == 0:
        raise UserError("file.empty", f"{path}: the file has a header and no rows")
    for column, place in mapping.sources().items():
        _check_column(path, mapping, column, place, table.titles)
    return table


def read_start(path: Path, delimiters: Sequence[str]) -> tuple[str, dict[str, list[list[str]]]]:
    """Return the encoding of a CSV file, and its first rows if they are split at each delimiter.

    A file that is not UTF-8, and does not show its encoding, is taken for windows-1252.

    Raises:
        UserError: The file cannot be read, or is neither.
    """
    data = read_bytes(path, MAX_BYTES)
    if not data:
        raise UserError("file.empty", f"{path}: the file is empty")
    encoding = UTF8
    try:
        text = decoded(path, data, encoding)
    except UserError:
        encoding = "windows-1252"
        text = decoded(path, data, encoding)
    check_is_text(path, text)
    lines = lines_of(text)[:MAX_START]
    starts = {}
    for delimiter in delimiters:
        records = records_of(lines, range(len(lines)), Splitter(delimiter))
        starts[delimiter] = [record.fields for record in records]
    return encoding, starts


def position(titles: Sequence[str], column: str) -> int | None:
    """Return the position of a column that a mapping names, or None if the file lacks it.

    Args:
        titles: Titles of the columns of the file.
        column: A title, or a number such as `column 3`.
    """
    found = _same_titles(titles, column)
    if found:
        return found[0]
    number = BY_NUMBER.fullmatch(column.strip())
    return int(number[1]) - 1 if number and int(number[1]) <= len(titles) else None


def plain_title(title: str) -> str:
    """Return a title as it is compared: in small letters, with single blanks."""
    return " ".join(title.split()).casefold()


def _same_titles(titles: Sequence[str], column: str) -> list[int]:
    """Return the positions of a title: as it is written, or else but for letters and blanks."""
    exact = [i for i, title in enumerate(titles) if title == column.strip()]
    plain = plain_title(column)
    return exact or [i for i, title in enumerate(titles) if plain_title(title) == plain]


def _read_parquet(path: Path, data: bytes, mapping: TableMapping) -> Table:
    frame = read_parquet(path, data)
    try:
        cells = frame.select(
            _parquet_text(pl.col(name), kind, mapping).alias(str(i))
            for i, (name, kind) in enumerate(frame.schema.items())
        )
    except pl.exceptions.PolarsError as error:
        message = f"{path}: a column of this Parquet file is no text, number or date: {error}"
        raise UserError("file.parquet", message) from None
    none = pl.Series([None] * frame.height, dtype=pl.String)
    return Table(tuple(name.strip() for name in frame.columns), cells, none)


def _parquet_text(column: pl.Expr, kind: pl.DataType, mapping: TableMapping) -> pl.Expr:
    """Return a column as text; a number cannot be read in another way than it is meant."""
    if kind.is_temporal():
        return column.dt.strftime(mapping.date_format).cast(pl.String)
    text = column.cast(pl.String)
    if not kind.is_numeric():
        return text
    text = text.str.replace(r"^(-?[0-9]+\.[0-9]{3})$", "${1}0")
    return text.str.replace(".", mapping.decimal_point or ".", literal=True)


def _read_csv(path: Path, data: bytes, mapping: TableMapping) -> Table:
    is_rejects = data.removeprefix(codecs.BOM_UTF8).startswith(
        tuple(begin.encode() for begin in _REJECTS_BEGIN)
    )
    text = decoded(path, data, "utf-8" if is_rejects else mapping.encoding)
    check_is_text(path, text)
    lines = lines_of(text)
    if is_rejects:
        splitter = Splitter(",")
        header = next(records_of(lines, range(len(lines)), splitter))
        return _as_in_file(_table(header.fields, lines[header.end :], splitter))
    lines = lines[mapping.preamble or 0 :]
    while lines and not lines[-1].strip(f' \t\r"{mapping.delimiter}'):
        lines.pop()
    lines = lines[: len(lines) - mapping.footer]
    splitter = Splitter(mapping.delimiter)
    records = records_of(lines, range(len(lines)), splitter)
    first = list(itertools.islice(records, _BEFORE_HEADER))
    if not first:
        raise UserError("file.empty", f"{path}: the file has no rows")
    named = {plain_title(column) for column in mapping.sources() if not BY_NUMBER.fullmatch(column)}
    if not named:
        width = Counter(len(record.fields) for record in first).most_common(1)[0][0]
        return _whole(_table([""] * width, lines, splitter), text, mapping)
    places = [0] if mapping.preamble is not None else range(len(first))
    titles = [{plain_title(title) for title in record.fields} for record in first]
    place = max(places, key=lambda i: len(named & titles[i]))
    header, below = first[place], first[place + 1 :]
    fields = header.fields
    longer = [row.fields for row in below if len(row.fields) == len(fields) + 1]
    if len(longer) * 2 > len(below) and not any(row[-1] for row in longer):
        fields = [*fields, ""]  # some banks end each row with a delimiter, and not the header
    return _whole(_table(fields, lines[header.end :], splitter), text, mapping)


def _whole(table: Table, text: str, mapping: TableMapping) -> Table:
    """Set the last row aside if the file ends in a number with fewer decimals than all above it.

    A download that was cut off ends like that, and the number may be a tenth of what it was.
    """
    if text.endswith(("\n", "\r")) or mapping.footer:
        return table
    column = table.cells[table.cells.columns[-1]]
    last, above = column[-1:], column[:-1].drop_nulls()
    if len(above) < _ENOUGH or not above.str.contains(_DECIMALS).all():
        return table
    is_cut = not last.str.contains(_DECIMALS).fill_null(value=True).all()
    reason = pl.Series([_CUT if is_cut else None], dtype=pl.String)
    reasons = table.reasons[:-1].append(table.reasons[-1:].zip_with(~reason.is_not_null(), reason))
    return table._replace(reasons=reasons)


# -- rows ------------------------------------------------------------------------------------------


def _table(header: Sequence[str], lines: Sequence[str], splitter: Splitter) -> Table:
    """Return the rows below a header; a row with too many or too few fields gets a reason.

    Blank lines and repeated headers are no rows.
    """
    width = len(header)
    names = [str(i) for i in range(width)]
    types = {**dict.fromkeys([*names, "reason"], pl.String), "line": pl.Int64}
    texts = pl.Series("line", lines, dtype=pl.String)
    plain = splitter.is_plain(texts, width).to_numpy().copy()
    chunks, titles, headers = [pl.DataFrame(schema=types)], _trimmed(header), 0
    records = records_of(lines, np.flatnonzero(~plain).tolist(), splitter)
    while taken := list(itertools.islice(records, _CHUNK)):
        for record in taken:
            plain[record.start : record.end] = False
        chunk = [one for one in taken if _trimmed(one.fields) not in ([], titles)]
        headers += sum(_trimmed(one.fields) == titles != [] for one in taken)
        columns = zip(*(_fitted(record, width) for record in chunk), strict=True)
        chunks.append(pl.DataFrame([list(one) for one in columns], schema=types, orient="col"))
    if plain.any():
        cells = splitter.cells(texts.filter(plain), width)
        places = pl.Series("line", np.flatnonzero(plain))
        cells = cells.with_columns(pl.lit(None, pl.String).alias("reason"), places)
        none = _no_rows(cells, header)
        filled = [pl.col(name).fill_null("").str.strip_chars() != "" for name in names]
        headers += none.filter(pl.any_horizontal(filled)).height
        chunks.append(cells.join(none, on="line", how="anti"))
    frame = pl.concat(chunks).sort("line")
    frame = frame.with_columns(pl.when(pl.col(names) != "").then(pl.col(names)))
    shown = tuple(title.strip() or f"column {i}" for i, title in enumerate(header, 1))
    return Table(shown, frame.select(names), frame["reason"], headers)


def _trimmed(fields: Sequence[str]) -> list[str]:
    """Return fields without blanks around them, and without blank ones at the end."""
    texts = [field.strip() for field in fields]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _no_rows(cells: pl.DataFrame, header: Sequence[str]) -> pl.DataFrame:
    """Return those of the rows that are blank, or repeat the header."""
    texts = [pl.col(str(i)).fill_null("").str.strip_chars() for i in range(len(header))]
    suspects = cells.filter(texts[0].is_in(["", header[0].strip()]))  # few, so the rest is cheap
    blank = [text == "" for text in texts]
    again = [text == title.strip() for text, title in zip(texts, header, strict=True)]
    return suspects.filter(pl.all_horizontal(blank) | pl.all_horizontal(again))


def _fitted(record: Record, width: int) -> list[str | int | None]:
    """Return the fields of a row, its reason, and the position of its line."""
    fields, reason = record.fields, record.reason
    if len(fields) == width:
        return [*fields, reason, record.start]
    # its fields may be parts of one: a card number with the delimiter in it
    fields = masked("\x1f".join(fields)).split("\x1f")
    why = reason or f"{len(fields)} fields where the header has {width}"
    return [*(fields + [""] * width)[:width], why, record.start]


def _as_in_file(rejects: Table) -> Table:
    """Return the columns of the file that rows were set aside from, without what was added."""
    kept = [i for i, t in enumerate(rejects.titles) if i >= len(REJECTS) and t not in OWNER]
    undo = [
        rejects.cells[str(i)].map_elements(from_editable_cell, return_dtype=pl.String) for i in kept
    ]
    cells = pl.DataFrame([cell.alias(str(place)) for place, cell in enumerate(undo)])
    of_file = {f"{name} in the file": name for name in OWNER}
    titles = (from_editable_cell(rejects.titles[i]) for i in kept)
    return Table(tuple(of_file.get(title, title) for title in titles), cells, rejects.reasons)


def _check_column(
    path: Path, mapping: TableMapping, column: str, place: str, titles: Sequence[str]
) -> None:
    same = [f"column {i + 1}" for i in _same_titles(titles, column)]
    if len(same) > 1:
        message = f"{path}: {len(same)} columns are called {column!r}, which {place} names"
        hint = f"write {' or '.join(same)} in the mapping"
        raise UserError("import.ambiguous-column", message, hint)
    if position(titles, column) is not None:
        return
    message = f"{path}: there is no column {column!r}, which the mapping names at {place}"
    hint = f"the file has: {', '.join(titles)}"
    other = next((d for d in ";\t|," if len(titles) == 1 and d in titles[0]), None)
    if other and other != mapping.delimiter:
        name = "a tab" if other == "\t" else other
        hint = f"its fields seem to be separated by {name}: set delimiter in the mapping"
    raise UserError("import.unknown-column", message, masked(hint))
