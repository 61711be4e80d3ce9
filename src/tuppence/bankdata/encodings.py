"""Texts of files in the encoding that their first bytes show, or else in one that is named."""

import codecs
import itertools
import re
from pathlib import Path
from typing import Final

from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.plain_text import SURROGATE

UTF8: Final = "utf-8"
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and the encodings that begin with them."""
_SAMPLE: Final = 400
_IN_MAPPING: Final = "encoding: {} in the mapping"
_WORD: Final = re.compile(r"\S*[^\x00-\x7f]\S*")
_EXAMPLES: Final = 3
_MAX_WORD: Final = 40


def decoded(path: Path, data: bytes, encoding: str, how: str = _IN_MAPPING) -> str:
    """Return the text of a file, in the encoding that its first bytes show, else in the one given.

    Args:
        path: The file.
        data: Its bytes.
        encoding: The encoding of a file that shows none.
        how: The option with which a person names the encoding of the file, with a gap for it.

    Raises:
        UserError: It is in another encoding.
    """
    shown = _shown_encoding(data)
    used = shown or encoding
    try:
        text = data.decode(used).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}: line {line} is not {used} text"
        other = "cp850" if used == "windows-1252" else "windows-1252"
        hint = f"name the file's encoding, such as {how.format(other)}"
        raise UserError("file.encoding", message, hint) from None
    except (UnicodeError, ValueError):
        raise UserError("file.encoding", f"{path}: this is not {used} text") from None
    if SURROGATE.search(text):
        raise UserError("file.encoding", f"{path}: this is not {used} text")
    if shown is None and not data.isascii() and not codecs.lookup(used).name.startswith("utf"):
        with_utf8 = data.decode(errors="ignore")
        if with_utf8.encode() == data:
            message = f"{path}: this is UTF-8 text, not {used}"
            raise UserError("file.encoding", message, f"write {how.format('utf-8')}")
    return text


def _shown_encoding(data: bytes) -> str | None:
    """Return the encoding that the first bytes show: by a mark, or by every second one being 0."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    even, odd = data[:_SAMPLE:2], data[1:_SAMPLE:2]
    if len(odd) > 1 and 0 not in even and odd.count(0) > len(odd) / 2:
        return "utf-16-le"
    if len(odd) > 1 and 0 not in odd and even.count(0) > len(even) / 2:
        return "utf-16-be"
    return None


def guess_doubt(text: str, encoding: str) -> str:
    """Return the doubt about a file whose encoding nothing shows.

    Args:
        text: Its text in the encoding that was guessed.
        encoding: The encoding.
    """
    words = itertools.islice(dict.fromkeys(_WORD.findall(text)), _EXAMPLES)
    shown = ", ".join(masked(word[:_MAX_WORD]) for word in words)
    such = f", as in {shown}" if shown else ""
    return f"the file is not UTF-8 and was read as {encoding}: look at its accented letters{such}"


def check_is_text(path: Path, text: str) -> None:
    """Check that a text holds no null character.

    Raises:
        UserError: It holds one, so that the file is of another kind.
    """
    if "\0" in text:
        hint = "is it a spreadsheet or an archive? Save it as CSV first"
        raise UserError("file.binary", f"{path}: this is not a text file", hint)
