"""The rows of CSV files (RFC 4180), as banks and spreadsheets write them."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import polars as pl

_LINES_OF_FIELD: Final = 20
_SPREAD: Final = "a quotation mark is opened here or before and closed on another line"


class Record(NamedTuple):
    """A row of a CSV file.

    Attributes:
        fields: Its texts.
        start: Position of its first line.
        end: Position of the line after its last.
        reason: The reason why its fields may be wrong; None if they are certain.
    """

    fields: list[str]
    start: int
    end: int
    reason: str | None = None


def lines_of(text: str) -> list[str]:
    """Return the lines; a carriage return ends one only in a file that has no line feeds."""
    if "\n" not in text:
        return text.split("\r")
    return text.replace("\r\n", "\n").removesuffix("\r").split("\n")


def records_of(
    lines: Sequence[str], starts: Iterable[int], splitter: "Splitter"
) -> Iterator[Record]:
    """Yield the rows of a CSV file (RFC 4180) that begin on some lines; an empty line is no row.

    A field is quoted if a quotation mark begins it and another, before a delimiter or the end of a
    line, ends it. Any other quotation mark is a character of the text. Where a quoted field spreads
    over lines that would be rows of the same width by themselves, each of them gets a reason.

    Args:
        lines: Lines of the file.
        starts: Positions of lines, in order; those that a row before them takes up are left out.
        splitter: Splits the lines into fields.
    """
    end = 0
    for start in starts:
        if start < end:
            continue
        line = lines[start]
        end = start + 1
        if '"' not in line:
            if line:
                yield Record(splitter.alone(line), start, end)
            continue
        block, after = line, end
        fields, state = splitter.split(block, may_open=True)
        while state == "open" and after < min(len(lines), end + _LINES_OF_FIELD):
            block += "\n" + lines[after]
            after += 1
            if '"' in lines[after - 1]:
                fields, state = splitter.split(block, may_open=True)
        if state != "whole":
            yield Record(splitter.alone(line), start, end)
            continue
        alone = [splitter.alone(one) for one in lines[start:after]]
        if len(alone) > 1 < len(fields) and all(len(one) == len(fields) for one in alone):
            for place, one in enumerate(alone, start):
                yield Record(one, place, place + 1, _SPREAD)
        else:
            yield Record(fields, start, after)
        end = after


class Splitter:
    """Splits lines of a CSV file into fields."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._quoted = re.compile(rf'"([^"]*(?:""[^"]*)*)"(?={re.escape(delimiter)}|\Z)')
        self._opened = re.compile(r'"[^"]*(?:""[^"]*)*\Z')
        between = pl.escape_regex(delimiter)
        field = rf'(?:"(?:[^"\r\x{{feff}}]|"")*"|[^"\r\x{{feff}}{between}]*)'
        self._plain = rf"^{field}(?:{between}{field})*$"

    def split(self, block: str, *, may_open: bool) -> tuple[list[str], str]:
        """Return the fields of some lines, as far as they go, and how they end.

        Args:
            block: The lines.
            may_open: Whether an open quotation mark begins a field of several lines; if not, it
                is a character.

        Returns:
            The fields, and `whole`, `open` (in a quoted field), or `broken` (by a quotation mark
            that is no end of a field of several lines).
        """
        fields: list[str] = []
        place = 0
        while place <= len(block):
            is_quoted = block.startswith('"', place)
            if is_quoted and (found := self._quoted.match(block, place)):
                fields.append(found[1].replace('""', '"'))
                place = found.end() + 1
                continue
            if is_quoted and may_open and self._opened.match(block, place):
                return fields, "open"
            end = block.find(self._delimiter, place)
            end = len(block) if end < 0 else end
            fields.append(block[place:end])
            if "\n" in fields[-1]:
                return fields, "broken"
            place = end + 1
        return fields, "whole"

    def alone(self, line: str) -> list[str]:
        """Return the fields of a line by itself."""
        return self.split(line, may_open=False)[0] if '"' in line else line.split(self._delimiter)

    def is_plain(self, lines: pl.Series, width: int) -> pl.Series:
        """Return which lines are rows that every CSV reader reads the same, if they begin a row.

        Args:
            lines: Lines of the file.
            width: Number of fields of such a row.
        """
        unquoted = lines.str.replace_all('"[^"]*"', "")
        delimiters = unquoted.str.count_matches(self._delimiter, literal=True)
        return (lines != "") & (delimiters == width - 1) & lines.str.contains(self._plain)

    def cells(self, plain: pl.Series, width: int) -> pl.DataFrame:
        """Return the fields of plain lines, in columns `0`, `1`, ...; they are read at once."""
        return pl.read_csv(
            io.BytesIO(plain.str.join("\n").item().encode()),
            has_header=False,
            separator=self._delimiter,
            schema=dict.fromkeys(map(str, range(width)), pl.String),
        )
