"""Shipped mappings for the exports of banks and apps: a file each, beside this module."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tuppence.bankdata.mapping import TableMapping, nearest
from tuppence.bankdata.table_file import plain_title
from tuppence.errors import UserError
from tuppence.structured import read_yaml

FOLDER: Final = Path(__file__).parent


class Bank(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A shipped mapping.

    Attributes:
        names: Names of the banks whose exports have this form.
        country: ISO 3166 code of the country of the export.
        export: The export among those of the bank, and what a reader of it should know.
        source: Place where its form was looked up, and the day.
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
        start = [plain_title(title) for title in titles[: len(self.header)]]
        return bool(self.header) and start == [plain_title(title) for title in self.header]

    def mapping_for(self, titles: Iterable[str]) -> TableMapping:
        """Return the mapping for a file with these titles."""
        known = {plain_title(title) for title in titles}
        extra = {k: column for k, column in self.optional.items() if plain_title(column) in known}
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
        UserError: Nothing has this name.
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


class Found(NamedTuple):
    """A shipped mapping for a file.

    Attributes:
        delimiter: The delimiter of the file, which may not be that of the mapping.
        name: The name of the mapping.
        bank: The mapping.
    """

    delimiter: str
    name: str
    bank: Bank


def bank_of(
    path: Path, starts: Mapping[str, Sequence[Sequence[str]]], name: str = ""
) -> Found | None:
    """Return the shipped mapping for a file: the one that is named, or whose header it has.

    Args:
        path: The file.
        starts: Its first rows, by the delimiter that they are split at.
        name: The name of a mapping or of a bank; if empty, the header decides.

    Raises:
        UserError: There is no mapping of this name, or the header is that of several.
    """
    fitting = [
        Found(delimiter, key, bank)
        for delimiter, rows in starts.items()
        for key, bank in shipped_banks().items()
        if any(bank.fits(row) for row in rows)
    ]
    if name:
        key, bank = bank_named(name)
        own = Found(bank.mapping.delimiter, key, bank)
        fitting = [one for one in fitting if one.name == key] or [own]
    found = [one for one in fitting if one.delimiter == one.bank.mapping.delimiter] or fitting
    if len(found) > 1:
        message = f"{path}: the header is that of {' and '.join(one.name for one in found)}"
        raise UserError("import.bank-unclear", message, "say which with --bank")
    return found[0] if found else None
