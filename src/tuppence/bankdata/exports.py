"""Statement files of home banking and bookkeeping (OFX, QIF, MT940, camt.053) as documents."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from tuppence.bankdata.encodings import UTF8, check_is_text, decoded, guess_doubt
from tuppence.bankdata.records import Document
from tuppence.errors import UserError
from tuppence.structured import is_folder, read_bytes

MAX_BYTES: Final = 64_000_000
"""About 40,000 transactions in XML, which take twenty times the memory."""


class FileDefaults(NamedTuple):
    """The facts that a person gives about files which lack them.

    Attributes:
        today: No row may be dated later.
        account: The account of files that name none.
        currency: The currency of files that name none.
        date_format: Format of dates that can be read in two ways.
        encoding: Encoding of the files, in place of the one that they name.
    """

    today: date
    account: str = ""
    currency: str = ""
    date_format: str = ""
    encoding: str = ""


class Decoded(NamedTuple):
    """The content of a file.

    Attributes:
        content: Content of a document.
        doubts: A sentence for each thing about the file that is not certain.
    """

    content: Any
    doubts: tuple[str, ...] = ()


_USUAL: Final = "windows-1252"
_BY_OPTION: Final = "--encoding {}"
Decode = Callable[[Path, bytes, FileDefaults], Decoded]
"""Turns the bytes of a file into the content of a document."""


def read_exports(
    paths: Sequence[Path], endings: Sequence[str], decode: Decode, given: FileDefaults
) -> Iterator[Document]:
    """Read files in the given order; those of a folder are sorted by path.

    Args:
        paths: Files, or folders of files.
        endings: Endings of the names of the files in a folder, in small letters.
        decode: The decoder of their format.
        given: Facts that the files lack.

    Raises:
        UserError: A file cannot be read, or is not of the format.
    """
    for path in paths:
        if not is_folder(path):
            yield Document(path.name, *decode(path, read_bytes(path, MAX_BYTES), given))
            continue
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in endings)
        if not found:
            message = f"{path}: there are no such files in this folder"
            raise UserError("file.empty", message, f"their names end with {' or '.join(endings)}")
        for file in found:
            source = file.relative_to(path).as_posix()
            yield Document(source, *decode(file, read_bytes(file, MAX_BYTES), given))


def text_of(
    path: Path, data: bytes, given: FileDefaults, named: str = ""
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and a doubt if its encoding was guessed.

    Args:
        path: The file.
        data: Its bytes.
        given: Facts that a person gives about it.
        named: The encoding that the file itself names, which it has if it is not UTF-8.

    Raises:
        UserError: It is in another encoding, or is not text.
    """
    doubts: tuple[str, ...] = ()
    if given.encoding:
        text = decoded(path, data, _known_encoding(given.encoding), _BY_OPTION)
    else:
        try:
            text = decoded(path, data, UTF8)
        except UserError:
            text = decoded(path, data, named or _USUAL, _BY_OPTION)
            if not named:
                doubts = (f"{guess_doubt(text, _USUAL)} (--encoding names another one)",)
    check_is_text(path, text)
    return text, doubts


def _known_encoding(name: str) -> str:
    """Return the name of an encoding that there is.

    Raises:
        UserError: Nothing has this name.
    """
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        hint = "write a name such as windows-1252, iso-8859-15 or cp850"
        raise UserError("file.encoding", f"there is no encoding {name!r}", hint) from None
    return name


_THOUSANDS_BLANK: Final = re.compile("(?<=\\d)[ \u00a0](?=\\d{3}(?!\\d))")
"""Matches blanks between thousands; others make no number of two."""


def plain_number(text: str, point: str = "") -> str:
    """Return a number as statements have it: a minus or nothing, digits, and a decimal point.

    Args:
        text: A number, perhaps with a plus or with a comma before its decimals.
        point: The character before its decimals; the others are between thousands. If empty, the
            only separator in the number is taken for it.
    """
    number = _THOUSANDS_BLANK.sub("", text.strip()).removeprefix("+")
    if point:
        number = "".join(c for c in number if c not in {",", ".", "'"} or c == point)
    sign, number = ("-", number[1:].lstrip()) if number.startswith("-") else ("", number.lstrip())
    number = number.replace(",", ".") if number.count(",") + number.count(".") == 1 else number
    number = f"0{number}" if number.startswith(".") else number
    return sign + number.removesuffix(".")
