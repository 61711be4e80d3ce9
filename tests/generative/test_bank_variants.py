"""Exports of banks as they are found in life: saved again, put together, with lines around them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.statements import BY_NAME_ONLY, FIELDS, SAMPLES, proposed, reading_of

from tuppence.bankdata.banks import Bank, shipped_banks
from tuppence.errors import UserError

Rows = list[list[str]]


class Parts(NamedTuple):
    """The parts of an export.

    Attributes:
        before: Lines before the header.
        header: The titles; none where the export has no header.
        rows: The rows.
        delimiter: The character between fields.
    """

    before: Rows
    header: Rows
    rows: Rows
    delimiter: str

    def text(self, delimiter: str = "", **options: Any) -> str:
        """Write the export as a program does."""
        file = io.StringIO()
        writer = csv.writer(
            file, delimiter=delimiter or self.delimiter, lineterminator="\n", **options
        )
        writer.writerows([*self.before, *self.header, *self.rows])
        return file.getvalue()

    def titled(self, change: Callable[[str], str]) -> str:
        """Write the export with changed titles."""
        return self._replace(header=[list(map(change, row)) for row in self.header]).text()


def parts_of(name: str, bank: Bank) -> Parts:
    data = (SAMPLES / f"{name}.csv").read_bytes()
    text = data.decode("windows-1252" if b"\xa3" in data and name == "nationwide" else "utf-8")
    rows = list(
        csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=bank.mapping.delimiter)
    )
    place = next((i for i, row in enumerate(rows) if bank.fits(row)), None)
    if place is None:  # recognised by its name only
        place = 0 if name == "first-direct" else -1
    header = rows[place : place + 1] if place >= 0 else []
    return Parts(rows[: max(place, 0)], header, rows[place + 1 :], bank.mapping.delimiter)


def with_comma(cell: str) -> str:
    """Return a number with a decimal comma, and any other text as it is."""
    found = re.fullmatch(r"([-+£$€]?)([\d,]+)\.(\d\d)", cell)
    return f"{found[1]}{found[2].replace(',', '')},{found[3]}" if found else cell


Variant = Callable[[Parts], str | bytes]
Variants = dict[str, Variant]

SAME: Final[Variants] = {
    "byte order mark": lambda one: b"\xef\xbb\xbf" + one.text().encode(),
    "UTF-16": lambda one: one.text().encode("utf-16"),
    "every cell quoted": lambda one: one.text(quoting=csv.QUOTE_ALL),
    "small letters": lambda one: one.titled(str.lower),
    "capitals": lambda one: one.titled(str.upper),
    "blanks around titles": lambda one: one.titled(lambda title: f" {title} "),
    "no-break spaces in titles": lambda one: one.titled(lambda title: title.replace(" ", "\u00a0")),
    "empty lines": lambda one: one.text() + "\n\n \n",
    "lines of delimiters": lambda one: one.text() + (one.delimiter * len(one.rows[0]) + "\n") * 2,
    "carriage returns": lambda one: one.text().replace("\n", "\r\n"),
    "old line ends": lambda one: one.text().replace("\n", "\r"),
    "reversed": lambda one: one._replace(rows=one.rows[::-1]).text(),
    "put together": lambda one: one._replace(rows=[*one.rows, *one.header]).text(),
}
"""Variants that say the same."""
OTHER: Final[Variants] = {
    "lines before": lambda one: "Statement\nFrom 1 June\n\n" + one.text(),
    "line of a spreadsheet": lambda one: f"sep={one.delimiter}\n" + one.text(),
    "another column": lambda one: one._replace(
        header=[[*row, "Notes"] for row in one.header], rows=[[*row, "x"] for row in one.rows]
    ).text(),
    "windows-1252": lambda one: one.text().encode("windows-1252", "replace"),
    "total": lambda one: one.text() + one.delimiter.join(
        ["Total", *[""] * (len(one.rows[0]) - 2), "123.45"]) + "\n",
    "short total": lambda one: one.text() + f"Total{one.delimiter}123.45\n",
    "semicolons": lambda one: one.text(";"),
    "tabs": lambda one: one.text("\t"),
    "decimal commas": lambda one: one._replace(
        rows=[list(map(with_comma, row)) for row in one.rows]).text(";"),
}  # fmt: skip
"""Variants that may be read in part, asked about or refused, but never otherwise."""
RESAVED: Final = {"semicolons", "tabs", "decimal commas"}


def outcome(path: Path, name: str, content: str | bytes) -> Counter[Any] | str:
    """Return the rows that are read, or the question or the error that is the answer."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    known = {"currency": "GBP"} if name == "ynab" else {}
    try:
        proposal = proposed(path, name if name in BY_NAME_ONLY else "", **known)
        if proposal.questions:
            return f"asked for {', '.join(one.key for one in proposal.questions)}"
        reading = reading_of(path, proposal)
    except UserError as error:
        return error.code
    assert reading.rows.transactions is not None
    return Counter(reading.rows.transactions.select(FIELDS).rows())


def every(step: int, variants: Variants, name: str) -> list[tuple[str, Variant]]:
    """Return every second or third variant and so on; another bank begins with another one."""
    first = list(shipped_banks()).index(name) % step
    return list(variants.items())[first::step]


STEPS: Final = pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.long)])


@STEPS
@pytest.mark.parametrize(("name", "bank"), shipped_banks().items())
def test_variants_of_an_export_are_read_as_it_is(
    name: str, bank: Bank, tmp_path: Path, step: int
) -> None:
    path, parts = tmp_path / "bank.csv", parts_of(name, bank)
    expected = outcome(path, name, (SAMPLES / f"{name}.csv").read_bytes())
    assert isinstance(expected, Counter)
    chosen = every(step, SAME, name)
    found = {variant: outcome(path, name, write(parts)) for variant, write in chosen}
    assert {k: v for k, v in found.items() if v != expected} == {}


@STEPS
@pytest.mark.parametrize(("name", "bank"), shipped_banks().items())
def test_variants_of_an_export_are_never_read_otherwise(
    name: str, bank: Bank, tmp_path: Path, step: int
) -> None:
    path, parts = tmp_path / "bank.csv", parts_of(name, bank)
    expected = outcome(path, name, (SAMPLES / f"{name}.csv").read_bytes())
    assert isinstance(expected, Counter)
    for variant, write in every(step, OTHER, name):
        if name == "midata" and variant in RESAVED:
            continue  # with a semicolon it is Santander's
        found = outcome(path, name, write(parts))
        if isinstance(found, Counter):
            assert not found - expected, variant


def test_an_export_that_was_saved_again_is_recognised_and_told(tmp_path: Path) -> None:
    parts = parts_of("nationwide", shipped_banks()["nationwide"])
    path = tmp_path / "bank.csv"
    rows = [list(map(with_comma, row)) for row in parts.rows]
    path.write_text(parts._replace(rows=rows).text(";"))
    found = proposed(path)
    assert "nationwide" in found.origin
    assert any("a program saved the export again" in doubt for doubt in found.doubts)
    assert found.mapping.decimal_point == ","
