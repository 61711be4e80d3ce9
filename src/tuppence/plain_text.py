"""Makes texts from outside harmless for terminals and spreadsheets."""

import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Final

_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control and format characters, surrogates, line and paragraph separators."""
_ESCAPE: Final = re.compile(r"\\[xuU]((?<=x)[0-9a-f]{2}|(?<=u)[0-9a-f]{4}|(?<=U)[0-9a-f]{8})")
_PLAIN: Final = re.compile(r"[ -~]*")
_FORMULA: Final = re.compile(r"[\s\x00-\x1f'\"\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
"""The start of a formula (OWASP, CSV Injection), after characters that a spreadsheet may ignore."""
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*%?", re.ASCII)
SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""Half of a surrogate pair: escapes in JSON and YAML can make one, and UTF-8 cannot hold it."""


def printable(text: str, keep: str = "\n\t") -> str:
    r"""Return a text with escapes such as `\x1b` for characters that change the display.

    These are control and format characters: escape sequences, directional and zero-width
    characters, line and paragraph separators, and halves of surrogate pairs.

    Args:
        text: Any text.
        keep: Characters to leave as they are.
    """
    return _escaped(text, keep, lambda sign: sign.encode("unicode-escape").decode())


def printable_json(document: str) -> str:
    r"""Return the same JSON document with `\u` escapes for the characters that `printable` escapes.

    Args:
        document: JSON in which the only white space between values is blanks and line feeds.
    """
    return _escaped(
        document,
        "\n",
        lambda sign: "".join(
            f"\\u{unit:04x}"
            for unit in memoryview(sign.encode("utf-16-le", "surrogatepass")).cast("H")
        ),
    )


def whole_text(pattern: str) -> str:
    """Return a regular expression that matches a text only as a whole, for Python and JSON Schema.

    In Python, `$` alone also matches before a line feed at the end.

    Args:
        pattern: A regular expression without anchors.
    """
    return rf"^(?:{pattern})$(?!\n)"


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can encode: half of a surrogate pair becomes an escape, `\ud800`.

    Args:
        text: Any text; a JSON document keeps its meaning.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def spreadsheet_safe(cell: str) -> str:
    """Return a cell that a spreadsheet shows as text, by an apostrophe before a formula.

    Numbers such as -12.50 stay as they are. `from_spreadsheet_safe` is the inverse.

    Args:
        cell: The content of a cell of a CSV file.
    """
    return f"'{cell}" if _is_formula(cell) else cell


def from_spreadsheet_safe(cell: str) -> str:
    """Return the original of a cell that `spreadsheet_safe` returned.

    Args:
        cell: The content of a cell of a CSV file.
    """
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def editable_cell(text: str) -> str:
    r"""Return a text as a cell of a CSV file that people read, correct and import again.

    It is not a formula, and control and format characters are escapes such as `\x1b`. A backslash
    is one too, `\x5c`, where it would else begin such an escape.

    Args:
        text: Any text that UTF-8 can hold.
    """
    marked = _ESCAPE.sub(
        lambda found: found[0] if _meant(found) == found[0] else rf"\x5c{found[0][1:]}", text
    )
    return spreadsheet_safe(_escaped(marked, "", _hexadecimal))


def from_editable_cell(cell: str) -> str:
    """Return the text that `editable_cell` was given.

    Args:
        cell: Its result, perhaps with corrections.
    """
    return _ESCAPE.sub(_meant, from_spreadsheet_safe(cell))


def _hexadecimal(sign: str) -> str:
    code = ord(sign)
    if code > 0xFFFF:
        return rf"\U{code:08x}"
    return rf"\u{code:04x}" if code > 0xFF else rf"\x{code:02x}"


def _meant(found: re.Match[str]) -> str:
    """Return the character that an escape stands for; others than `editable_cell` makes stay."""
    code = int(found[1], 16)
    sign = chr(code) if code <= sys.maxunicode else ""
    is_ours = sign == "\\" or unicodedata.category(sign or "x") in _UNPRINTABLE - {"Cs"}
    return sign if is_ours and _hexadecimal(sign) == found[0] else found[0]


def _is_formula(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def _escaped(text: str, keep: str, escape: Callable[[str], str]) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return "".join(
        escape(sign) if unicodedata.category(sign) in _UNPRINTABLE and sign not in keep else sign
        for sign in text
    )
