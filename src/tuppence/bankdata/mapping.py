"""Mapping files, which say how the columns of a table become fields."""

import difflib
import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from tuppence.errors import UserError
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.structured import Document, read_yaml

_LETTER: Final = re.compile("%[-_0]?(.)")

EXTRA: Final = {
    "accounts": ("currency",),
    "transactions": ("customer", "currency"),
    "customers": (),
}
"""Fields that a mapping may have besides the table's own, to create the owners of its rows."""


class Sign(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How money out is marked if its amounts are not negative.

    One of: `column` and `out` (a column that says which way the money went, and its words for
    money out), `inverted` (positive amounts are money out), `paid_out` and `paid_in` (a column for
    each direction).
    """

    column: str = ""
    out: tuple[str, ...] = ()
    inverted: bool = False
    paid_out: str = ""
    paid_in: str = ""


class Mapping(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mapping file.

    Attributes:
        table: The table that the rows belong to.
        columns: For each field, the column that holds it.
        constants: For each field, a value that holds for every row.
        values: For each field, translations of the bank's words, as `the bank's word: our word`;
            other words stay.
        sign: How money out is marked; if omitted, amounts of money out are negative.
        date_format: Format of dates, in the notation of strftime.
        decimal_point: The character before the decimals of a number.
        grouping: The character between thousands; none if omitted.
        delimiter: The character between the fields of a CSV file.
        encoding: The encoding of a CSV file.
        newest_first: Whether the file lists the newest rows of a day first.
    """

    table: Literal["customers", "accounts", "transactions"]
    columns: dict[str, str]
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    sign: Sign = Sign()
    date_format: str = "%Y-%m-%d"
    decimal_point: str = "."
    grouping: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    newest_first: bool = False

    def fields(self, schema: Schema) -> dict[str, Field]:
        """Return the fields that rows of this mapping can have."""
        extra = {name: Field(name, FieldType.TEXT, "") for name in EXTRA[self.table]}
        return columns(self.table, schema) | extra

    def sources(self) -> dict[str, str]:
        """Return every column that is read, with the place in the mapping that names it."""
        named = {column: f"columns.{field}" for field, column in self.columns.items()}
        for key in ("column", "paid_out", "paid_in"):
            if getattr(self.sign, key):
                named.setdefault(getattr(self.sign, key), f"sign.{key}")
        return named


def read_mapping(path: Path, schema: Schema) -> Mapping:
    """Read and check a mapping file.

    Raises:
        UserError: The file cannot be read, has an unknown key or field, or lacks a required one.

    """
    document = read_yaml(path, Mapping)
    mapping = document.value
    fields = mapping.fields(schema)
    for key in ("columns", "constants", "values"):
        for name in getattr(mapping, key):
            if name not in fields:
                raise _unknown(document, key, name, fields)
    given = {*mapping.columns, *mapping.constants}
    if mapping.sign.paid_out or mapping.sign.paid_in:
        given.add("amount")
    for name in _needed(mapping, fields):
        if name not in given:
            message = f"{path}: no column or constant for {name}, which {mapping.table} must have"
            raise UserError("mapping.incomplete", message, f"add {name}: under columns")
    _check_format(document)
    return mapping


def _needed(mapping: Mapping, fields: dict[str, Field]) -> list[str]:
    optional = {"sequence", "own transfer"}
    if mapping.table == "transactions":
        optional.add("id")
    return [n for n, field in fields.items() if not field.nullable and n not in optional]


def _unknown(
    document: Document[Mapping], key: str, name: str, fields: dict[str, Field]
) -> UserError:
    line, column = document.position((key, name))
    close = difflib.get_close_matches(name, fields, 1)
    known = f"did you mean {close[0]}?" if close else f"there is {', '.join(fields)}"
    message = f"{document.path}:{line}:{column}: {document.value.table} have no field {name!r}"
    return UserError("mapping.unknown-field", message, known)


def _check_format(document: Document[Mapping]) -> None:
    mapping = document.value
    problem = ""
    if len(mapping.delimiter.encode()) != 1:
        problem = "delimiter must be one character"
    elif len(mapping.decimal_point) != 1 or mapping.decimal_point == mapping.grouping:
        problem = "decimal_point must be one character, another than grouping"
    elif not set(_LETTER.findall(mapping.date_format)) & {*"dejF"}:
        problem = "date_format needs letters such as %Y-%m-%d"
    elif unknown := set(_LETTER.findall(mapping.date_format)) - {*"YymbBdejFHMSfTzZp%"}:
        problem = f"date_format knows no %{min(unknown)}"
    try:
        "".encode(mapping.encoding)
    except LookupError:
        problem = f"there is no encoding {mapping.encoding}"
    if problem:
        raise UserError("mapping.format", f"{document.path}: {problem}")
