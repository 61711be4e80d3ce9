"""Regular expressions of XPath (DMN 1.5, 10.3.4.3; XQuery and XPath Functions 3.1, 5.6.1).

They run on RE2, in time linear in the text, so that no pattern can hang an evaluation. What RE2
does not have is refused: references back to a group inside a pattern. Classes that subtract others
are worked out beforehand; blocks of Unicode are known as far as `_BLOCKS` goes.
"""

import functools
import re
from typing import Any, Final

import re2

from tuppence.feel.diagnostics import FeelError
from tuppence.feel.operators import MAXIMUM_TEXT

MAXIMUM_PATTERN: Final = 2_000
_ESCAPES: Final = {
    "i": r"[:_A-Za-z\p{L}]",
    "I": r"[^:_A-Za-z\p{L}]",
    "c": r"[-.:_A-Za-z0-9\p{L}\p{N}\p{M}]",
    "C": r"[^-.:_A-Za-z0-9\p{L}\p{N}\p{M}]",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"[^\p{P}\p{Z}\p{C}]",
    "W": r"[\p{P}\p{Z}\p{C}]",
}
_IN_CLASS: Final = {
    "i": r":_A-Za-z\p{L}",
    "c": r"\-.:_A-Za-z0-9\p{L}\p{N}\p{M}",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"\p{L}\p{M}\p{N}\p{S}",
    "W": r"\p{P}\p{Z}\p{C}",
}
_BLOCKS: Final = {
    "BasicLatin": r"\x00-\x7F",
    "Latin-1Supplement": r"\x80-\xFF",
    "LatinExtended-A": r"\x{100}-\x{17F}",
    "LatinExtended-B": r"\x{180}-\x{24F}",
    "GreekandCoptic": r"\x{370}-\x{3FF}",
    "Cyrillic": r"\x{400}-\x{4FF}",
}
_PLAIN_ESCAPES: Final = frozenset(r"nrt\|.-^?*+{}()[]$sS")


def compile_pattern(pattern: str, flags: str) -> Any:
    """The pattern, ready for RE2.

    Raises:
        FeelError: It is not a pattern, or uses what is not supported.
    """
    if set(flags) - set("smixq"):
        raise FeelError("feel.argument-type", "the flags are s, m, i, x and q")
    if len(pattern) > MAXIMUM_PATTERN:
        message = f"the pattern has over {MAXIMUM_PATTERN:,} characters"
        raise FeelError("feel.argument-type", message)
    if "q" in flags:
        text = re2.escape(pattern)
    else:
        text = _Translator(_without_blanks(pattern) if "x" in flags else pattern, flags).all()
    switches = "".join(flag for flag in "smi" if flag in flags)
    return _compiled(f"(?{switches}){text}" if switches else text)


def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error:
        raise FeelError("feel.conversion", "this is not a regular expression") from None


def matches(text: str, pattern: str, flags: str | None = None) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return compile_pattern(pattern, flags or "").search(text) is not None


def replace(text: str, pattern: str, replacement: str, flags: str | None = None) -> str:
    """The text with all that the pattern finds replaced; `$1` stands for the first group."""
    compiled = compile_pattern(pattern, flags or "")
    parts = _replacement(replacement, literal="q" in (flags or ""))
    pieces: list[str] = []
    position = size = 0
    for found in compiled.finditer(text):
        pieces.append(text[position : found.start()])
        for part in parts:
            if isinstance(part, str):
                pieces.append(part)
            else:
                pieces.append((found.group(part) or "") if part <= compiled.groups else "")
        position = found.end()
        size += sum(map(len, pieces[-len(parts) :]))
        if size > MAXIMUM_TEXT:
            raise FeelError("feel.budget", f"a text of over {MAXIMUM_TEXT:,} characters")
    return "".join([*pieces, text[position:]])


def split(text: str, delimiter: str) -> list[str]:
    """The parts of the text between what the pattern finds."""
    parts: list[str] = []
    position = 0
    for found in compile_pattern(delimiter, "").finditer(text):
        if found.end() > found.start():
            parts.append(text[position : found.start()])
            position = found.end()
    return [*parts, text[position:]]


def _replacement(text: str, *, literal: bool) -> list[str | int]:
    """Texts, and numbers of groups."""
    if literal:
        return [text]
    parts: list[str | int] = []
    for piece in re.findall(r"\\[\\$]|\$\d|[^\\$]+|.", text, re.DOTALL):
        if len(piece) == 2 and piece[0] == "$":
            parts.append(int(piece[1]))
        elif piece in {"\\", "$"}:
            raise FeelError("feel.conversion", r"in a replacement $ and \ are written \$ and \\")
        else:
            parts.append(piece[1:] if piece in {r"\\", r"\$"} else piece)
    return parts


def _without_blanks(pattern: str) -> str:
    """The flag x: white space means nothing, but in classes."""
    kept: list[str] = []
    depth = 0
    for index, char in enumerate(pattern):
        escaped = index > 0 and pattern[index - 1] == "\\"
        depth += (char == "[" and not escaped) - (char == "]" and depth > 0 and not escaped)
        if depth > 0 or not char.isspace():
            kept.append(char)
    return "".join(kept)


class _Translator:
    """Goes through a pattern once, from left to right."""

    def __init__(self, pattern: str, flags: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.dot = "(?s:.)" if "s" in flags else r"[^\n\r]"
        self.ignore_case = "i" in flags

    def all(self) -> str:
        pieces: list[str] = []
        while self.position < len(self.pattern):
            char = self.next()
            if char == "\\":
                pieces.append(self.escape(in_class=False))
            elif char == "[":
                pieces.append(self.char_class())
            elif char == ".":
                pieces.append(self.dot)
            elif char == "(" and self.pattern.startswith("?", self.position):
                if not self.pattern.startswith("?:", self.position):
                    raise self.wrong("(? is not known")
                pieces.append(char)
            else:
                pieces.append(char)
        return "".join(pieces)

    def next(self) -> str:
        if self.position >= len(self.pattern):
            raise self.wrong("it ends too early")
        self.position += 1
        return self.pattern[self.position - 1]

    def wrong(self, what: str) -> FeelError:
        return FeelError("feel.conversion", f"this is not a regular expression: {what}")

    def escape(self, *, in_class: bool) -> str:
        char = self.next()
        if char in "pP":
            return self.property(char, in_class=in_class)
        if char.isdigit():
            raise FeelError("feel.conversion", "a pattern cannot refer back to a group")
        known = (_IN_CLASS if in_class else _ESCAPES).get(char)
        if known is not None:
            return known
        if char not in _PLAIN_ESCAPES:
            raise self.wrong(f"\\{char} is not known")
        return f"\\{char}"

    def property(self, letter: str, *, in_class: bool) -> str:
        end = self.pattern.find("}", self.position)
        if not self.pattern.startswith("{", self.position) or end < 0:
            raise self.wrong(f"\\{letter} needs a name in braces")
        name = self.pattern[self.position + 1 : end]
        self.position = end + 1
        if not name.startswith("Is"):
            return f"\\{letter}{{{name}}}"
        block = _BLOCKS.get(name[2:])
        if block is None or (in_class and letter == "P"):
            raise self.wrong(f"{name} is not known")
        return block if in_class else f"[{'^' if letter == 'P' else ''}{block}]"

    def char_class(self) -> str:
        """A class; `[a-z-[aeiou]]` by asking for both: in the first, and not in the second."""
        negated = self.pattern.startswith("^", self.position)
        self.position += negated
        pieces: list[str] = []
        subtracted = ""
        while True:
            char = self.next()
            if char == "]" and pieces:
                break
            if char == "-" and self.pattern.startswith("[", self.position):
                self.position += 1
                subtracted = self.char_class()
                if self.next() != "]":
                    raise self.wrong("] must follow what a class subtracts")
                break
            pieces.append(self.escape(in_class=True) if char == "\\" else _in_class(char))
        made = f"[{'^' if negated else ''}{''.join(pieces)}]"
        return self.difference(made, subtracted) if subtracted else made

    def difference(self, made: str, subtracted: str) -> str:
        """RE2 knows no subtraction: list the characters of the Basic Multilingual Plane."""
        switch = "(?i)" if self.ignore_case else ""
        found = [set(_compiled(switch + part).findall(_plane())) for part in (made, subtracted)]
        codes = sorted(map(ord, found[0] - found[1]))
        return f"(?-i:[{_ranges(codes)}])" if codes else r"[^\x00-\x{10FFFF}]"


@functools.cache
def _plane() -> str:
    """All characters of the Basic Multilingual Plane."""
    return "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000))))


def _in_class(char: str) -> str:
    return f"\\{char}" if char in "[^&~" else char


def _ranges(codes: list[int]) -> str:
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(rf"\x{{{low:X}}}-\x{{{high:X}}}" for low, high in runs)
