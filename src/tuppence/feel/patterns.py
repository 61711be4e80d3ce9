"""Regular expressions of XPath (DMN 1.5, 10.3.4.3; XQuery and XPath Functions 3.1, 5.6.1).

They run on RE2, in time linear in the text, so that no pattern can hang an evaluation. What RE2
does not have is refused: references back to a group inside a pattern. Classes that subtract others
are worked out beforehand; blocks of Unicode are known as far as `_BLOCKS` goes.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import re2

from tuppence.feel.budget import TEXT_A_STEP, Budget, short
from tuppence.feel.diagnostics import FeelError

MAX_PATTERN: Final = 2_000
_PATTERN_STEPS: Final = 200
_PROGRAM_STEPS: Final = 2
_SUBTRACTION_STEPS: Final = 150_000
_MATCH_STEPS: Final = 40
_PLAIN: Final = 10
_PLAIN_SHARE: Final = 1024
_PROGRAM_SHARE: Final = 128
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


class Pattern(NamedTuple):
    """A regular expression that RE2 has compiled, and what it costs to look for.

    Attributes:
        compiled: With `finditer` and its kin.
        groups: How many parts of a match are kept apart.
        weight: How large the program is that goes over each character. RE2 builds a table of what
            can follow as it goes, and mostly only reads the table; patterns that can be in very
            many situations at once, and those with groups, have it work through the program.
        is_plain: RE2 only reads the table.
        looks_ahead: It may read on to the end of the text to decide about a match.
    """

    compiled: Any
    groups: int
    weight: int
    is_plain: bool
    looks_ahead: bool

    def search_steps(self, text: str, start: int = 0) -> int:
        """Return the steps for looking for the next match from a position."""
        length = (len(text) - start) * (1 if text.isascii() else 4)
        share = _PLAIN_SHARE if self.is_plain else _PROGRAM_SHARE
        return length // TEXT_A_STEP + length * self.weight // share


def compile_pattern(pattern: str, flags: str, budget: Budget, *, groups: bool = False) -> Pattern:
    """The pattern, ready for RE2; it is paid for once in an evaluation.

    Args:
        pattern: A regular expression of XPath.
        flags: Of `smixq`.
        budget: What pays for it.
        groups: Keep the parts of a match that are in parentheses apart.

    Raises:
        FeelError: It is not a pattern, or uses what is not supported.
        OutOfBudget: Making it ready costs more steps than are left.
    """
    if set(flags) - set("smixq"):
        raise FeelError("feel.argument-type", "the flags are s, m, i, x and q")
    if len(pattern) > MAX_PATTERN:
        message = f"the pattern has over {MAX_PATTERN:,} characters"
        raise FeelError("feel.argument-type", message)
    key = (pattern, flags, groups)
    if key not in budget.patterns:
        subtractions = pattern.count("-[") * ("q" not in flags)
        budget.spend(_PATTERN_STEPS + 10 * len(pattern) + subtractions * _SUBTRACTION_STEPS)
    made = _ready(pattern, flags, groups)
    if key not in budget.patterns:
        budget.spend(_PROGRAM_STEPS * made.weight)
        budget.patterns.add(key)
    return made


@functools.lru_cache(maxsize=128)
def _ready(pattern: str, flags: str, groups: bool) -> Pattern:
    if "q" in flags:
        text, wild, looks_ahead = re2.escape(pattern), 0, False
    else:
        translator = _Translator(_without_blanks(pattern) if "x" in flags else pattern, flags)
        text = translator.all()
        skeleton = _skeleton(text)
        wild, looks_ahead = _wildness(skeleton), bool(re.search(r"[*+]|,\}", skeleton))
    switches = "".join(flag for flag in "smi" if flag in flags)
    compiled = _compiled(f"(?{switches}){text}" if switches else text, captures=groups)
    is_plain = wild <= _PLAIN and not compiled.groups
    return Pattern(compiled, compiled.groups, compiled.programsize, is_plain, looks_ahead)


def _skeleton(text: str) -> str:
    """A pattern in which a point stands for each class, and a letter for each escaped character."""
    points = re.sub(r"\[\^?(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\[sS]", ".", text)
    return re.sub(r"\\.", "a", points)


def _wildness(skeleton: str) -> int:
    """Return how many parts of a pattern match more than one thing, with what is counted in braces.

    The table that RE2 builds has about two to the power of it times the pattern's length entries.
    """
    counts = re.findall(r"\d+", " ".join(re.findall(r"\{[\d,]*\}", skeleton)))
    return sum(map(skeleton.count, ".(*+?|")) + sum(map(int, counts))


def _compiled(text: str, *, captures: bool = False) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    try:
        return re2.compile(text, options)
    except re2.error:
        raise FeelError("feel.conversion", "this is not a regular expression") from None


def matches(budget: Budget, text: str, pattern: str, flags: str | None = None) -> bool:
    """Whether the pattern is found anywhere in the text."""
    ready = compile_pattern(pattern, flags or "", budget)
    budget.spend(ready.search_steps(text))
    return ready.compiled.search(text) is not None


def replace(
    budget: Budget, text: str, pattern: str, replacement: str, flags: str | None = None
) -> str:
    """The text with all that the pattern finds replaced; `$1` stands for the first group."""
    parts = _replacement(replacement, literal="q" in (flags or ""))
    groups = any(isinstance(part, int) and part for part in parts)
    ready = compile_pattern(pattern, flags or "", budget, groups=groups)
    pieces: list[str] = []
    position = size = 0
    for found in _found(ready, text, budget):
        kept = len(pieces)
        pieces.append(text[position : found.start()])
        for part in parts:
            if isinstance(part, str):
                pieces.append(part)
            else:
                pieces.append((found.group(part) or "") if part <= ready.groups else "")
        position = found.end()
        budget.spend(len(parts))
        size += sum(map(len, pieces[kept:]))
        short(size)
    return "".join([*pieces, text[position:]])


def split(budget: Budget, text: str, delimiter: str) -> list[str]:
    """The parts of the text between what the pattern finds."""
    parts: list[str] = []
    position = 0
    for found in _found(compile_pattern(delimiter, "", budget), text, budget):
        if found.end() > found.start():
            parts.append(text[position : found.start()])
            position = found.end()
    return [*parts, text[position:]]


def _found(ready: Pattern, text: str, budget: Budget) -> Iterator[Any]:
    """The matches, each paid for; looking for each may take going through all the rest."""
    budget.spend(ready.search_steps(text))
    for found in ready.compiled.finditer(text):
        rest = ready.search_steps(text, found.end()) if ready.looks_ahead else 0
        budget.spend(_MATCH_STEPS + rest)
        yield found


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
        found = [_members(switch + part) for part in (made, subtracted)]
        codes = sorted(found[0] - found[1])
        return f"(?-i:[{_ranges(codes)}])" if codes else r"[^\x00-\x{10FFFF}]"


def _members(part: str) -> set[int]:
    """The characters of the Basic Multilingual Plane that a class matches."""
    members: set[int] = set()
    for found in _compiled(f"(?:{part})+").finditer(_plane()):
        members.update(map(ord, found.group()))
    return members


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
