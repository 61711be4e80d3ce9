"""Statement files of home banking and bookkeeping (OFX, QIF, MT940, camt.053) as documents."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from tuppence.bankdata.encodings import UTF8, check_is_text, decoded
from tuppence.bankdata.records import Document
from tuppence.errors import UserError
from tuppence.structured import is_folder, read_bytes

MAX_BYTES: Final = 64_000_000
"""About 40,000 transactions in XML, which take twenty times the memory."""


class Given(NamedTuple):
    """The facts that a person gives about files which lack them.

    Attributes:
        today: No row may be dated later.
        account: The account of files that name none.
        currency: The currency of files that name none.
        date_format: Format of dates that can be read in two ways.
    """

    today: date
    account: str = ""
    currency: str = ""
    date_format: str = ""


Decode = Callable[[Path, bytes, Given], Any]
"""Turns the bytes of a file into the content of a document."""


def read_exports(
    paths: Sequence[Path], endings: Sequence[str], decode: Decode, given: Given
) -> Iterator[Document]:
    """Read files in the given order; those of a folder are sorted by path.

    Args:
        paths: Files, or folders of files.
        endings: How the names of the files in a folder end, in small letters.
        decode: The decoder of their format.
        given: What the files do not say.

    Raises:
        UserError: A file cannot be read, or is not of the format.
    """
    for path in paths:
        if not is_folder(path):
            yield Document(path.name, decode(path, read_bytes(path, MAX_BYTES), given))
            continue
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in endings)
        if not found:
            message = f"{path}: there are no such files in this folder"
            raise UserError("file.empty", message, f"their names end with {' or '.join(endings)}")
        for file in found:
            source = file.relative_to(path).as_posix()
            yield Document(source, decode(file, read_bytes(file, MAX_BYTES), given))


def text_of(path: Path, data: bytes, otherwise: str = "windows-1252") -> str:
    """Return the text of a file that is UTF-8, or else in another encoding.

    Raises:
        UserError: It is neither, or no text.
    """
    try:
        text = decoded(path, data, UTF8)
    except UserError:
        text = decoded(path, data, otherwise)
    check_is_text(path, text)
    return text


def plain_number(text: str, point: str = "") -> str:
    """Return a number as statements have it: a minus or nothing, digits, and a decimal point.

    Args:
        text: A number, perhaps with a plus or with a comma before its decimals.
        point: The character before its decimals; the others are between thousands. If empty, the
            only separator in the number is taken for it.
    """
    number = text.strip().replace("\u00a0", "").replace(" ", "").removeprefix("+")
    if point:
        number = "".join(c for c in number if c not in {",", ".", "'"} or c == point)
    sign, number = ("-", number[1:]) if number.startswith("-") else ("", number)
    number = number.replace(",", ".") if number.count(",") + number.count(".") == 1 else number
    number = f"0{number}" if number.startswith(".") else number
    return sign + number.removesuffix(".")
