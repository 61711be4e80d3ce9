"""Shipped mappings for the exports of banks and apps: a file each, beside this module."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tuppence.bankdata.mapping import Mapping as TableMapping
from tuppence.bankdata.mapping import nearest
from tuppence.errors import UserError
from tuppence.structured import read_yaml

FOLDER: Final = Path(__file__).parent


class Bank(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A shipped mapping.

    Attributes:
        names: Names of the banks whose exports have this form.
        country: ISO 3166 code of the country of the export.
        export: Which of the bank's exports it is, and what a reader of it should know.
        source: Where its form was looked up, and when.
        header: Titles of the first columns of the export. Without it, only its name finds it.
        optional: For each field, a column that only some versions of the export have.
        date_formats: Formats of dates of its versions; if omitted, that of the mapping.
        mapping: The meaning of its columns. It may lack what the export does not say.
    """

    names: tuple[str, ...]
    country: str
    export: str
    source: str
    mapping: TableMapping
    header: tuple[str, ...] = ()
    optional: dict[str, str] = {}
    date_formats: tuple[str, ...] = ()

    def fits(self, titles: Sequence[str]) -> bool:
        """Return whether a row of a file may be the header of this export."""
        start = [title.strip().casefold() for title in titles[: len(self.header)]]
        return bool(self.header) and start == [title.casefold() for title in self.header]

    def mapping_for(self, titles: Iterable[str]) -> TableMapping:
        """Return the mapping for a file with these titles."""
        known = {title.strip() for title in titles}
        extra = {field: column for field, column in self.optional.items() if column in known}
        columns = {**self.mapping.columns, **extra}
        values = {k: v for k, v in self.mapping.values.items() if k in columns}
        only = tuple(name for name in self.mapping.translated_only if name in columns)
        return msgspec.structs.replace(
            self.mapping, columns=columns, values=values, translated_only=only
        )


@functools.cache
def shipped_banks() -> Mapping[str, Bank]:
    """Read all shipped mappings, by the name that `--bank` takes."""
    return {path.stem: read_yaml(path, Bank).value for path in sorted(FOLDER.glob("*.yaml"))}


def bank_named(name: str) -> tuple[str, Bank]:
    """Return a shipped mapping and its name.

    Args:
        name: Its name, or that of a bank whose exports have the same form.

    Raises:
        UserError: There is none of this name.
    """
    banks = shipped_banks()
    plain = name.strip().casefold()
    for key, bank in banks.items():
        if plain == key or plain in {one.casefold() for one in bank.names}:
            return key, bank
    also = {word.casefold() for bank in banks.values() for word in bank.names}
    message = f"no mapping for {name!r} is shipped"
    hint = f"{nearest(plain, sorted({*banks, *also}))}; tuppence import banks lists all"
    if len(hint) > 200:  # nothing is near, so it names them all
        hint = "tuppence import banks lists all; without --bank a mapping is proposed"
    raise UserError("import.unknown-bank", message, hint)


def banks_of(delimiter: str, rows: Iterable[Sequence[str]]) -> dict[str, Bank]:
    """Return the shipped mappings of which one of some rows of a file is the header.

    Args:
        delimiter: What the rows were split at.
        rows: The first rows of the file.
    """
    told = list(rows)
    return {
        name: bank
        for name, bank in shipped_banks().items()
        if bank.mapping.delimiter == delimiter and any(bank.fits(row) for row in told)
    }
