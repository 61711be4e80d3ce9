"""Regular expressions of XPath (DMN 1.5, 10.3.4.3; XQuery and XPath Functions 3.1, 5.6.1).

They run on RE2, in time linear in the text, so that no pattern can block an evaluation. RE2 has no
back-references, so they are refused. Classes that subtract others are expanded beforehand. Only the
Unicode blocks in `_BLOCKS` are supported.
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
_PART_STEPS: Final = 5
_PLAIN: Final = 10
_TABLE_SHARE: Final = 1024
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
    """A compiled regular expression, with the measures of its cost.

    Attributes:
        compiled: The pattern compiled by RE2.
        groups: Number of captured groups.
        weight: Size of the program that RE2 runs for each character. For most patterns RE2 builds a
            table of states and then only reads the table, but patterns with very many states, or
            with groups, make it run the program.
        is_plain: Whether RE2 only reads the table.
        looks_ahead: Whether a match may depend on the rest of the text up to its end.
    """

    compiled: Any
    groups: int
    weight: int
    is_plain: bool
    looks_ahead: bool

    def search_steps(self, text: str, start: int = 0) -> int:
        """Return the steps for the search for the next match from a position."""
        length = (len(text) - start) * (1 if text.isascii() else 4)
        share = _TABLE_SHARE if self.is_plain else _PROGRAM_SHARE
        return length // TEXT_A_STEP + length * self.weight // share


def compile_pattern(pattern: str, flags: str, budget: Budget, *, groups: bool = False) -> Pattern:
    """Compile a pattern, which is paid for once in an evaluation.

    Args:
        pattern: A regular expression of XPath.
        flags: Some of the letters `smixq`.
        budget: The budget that pays for it.
        groups: Whether to capture groups.

    Raises:
        FeelError: The text is not a pattern, or uses something that is not supported.
        OutOfBudget: The compilation takes more steps than are left.
    """
    if set(flags) - set("smixq"):
        raise FeelError("feel.argument-type", "the flags are s, m, i, x and q")
    if len(pattern) > MAX_PATTERN:
        message = f"the pattern has more than {MAX_PATTERN:,} characters"
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
    """Return a pattern with a dot for each class and a letter for each escaped character."""
    points = re.sub(r"\[\^?(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\[sS]", ".", text)
    return re.sub(r"\\.", "a", points)


def _wildness(skeleton: str) -> int:
    """Return the number of variable parts of a pattern, plus the counts in braces.

    The table that RE2 builds has about 2 ** wildness * length entries.
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
    """Return whether the pattern matches anywhere in the text."""
    ready = compile_pattern(pattern, flags or "", budget)
    budget.spend(ready.search_steps(text))
    return ready.compiled.search(text) is not None


def replace(
    budget: Budget, text: str, pattern: str, replacement: str, flags: str | None = None
) -> str:
    """Replace all matches in a text; `$1` in the replacement stands for the first group."""
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
        budget.spend(_PART_STEPS * len(parts))
        size += sum(map(len, pieces[kept:]))
        short(size)
    return "".join([*pieces, text[position:]])


def split(budget: Budget, text: str, delimiter: str) -> list[str]:
    """Return the parts of the text between the matches."""
    parts: list[str] = []
    position = 0
    for found in _found(compile_pattern(delimiter, "", budget), text, budget):
        if found.end() > found.start():
            parts.append(text[position : found.start()])
            position = found.end()
    return [*parts, text[position:]]


def _found(ready: Pattern, text: str, budget: Budget) -> Iterator[Any]:
    """Yield the matches and pay for each, because each search may visit the rest of the text."""
    budget.spend(ready.search_steps(text))
    for found in ready.compiled.finditer(text):
        rest = ready.search_steps(text, found.end()) if ready.looks_ahead else 0
        budget.spend(_MATCH_STEPS + rest)
        yield found


def _replacement(text: str, *, literal: bool) -> list[str | int]:
    """Split a replacement into texts and numbers of groups."""
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
    """Remove white space outside of classes, as the flag x requires."""
    kept: list[str] = []
    depth = 0
    for index, char in enumerate(pattern):
        escaped = index > 0 and pattern[index - 1] == "\\"
        depth += (char == "[" and not escaped) - (char == "]" and depth > 0 and not escaped)
        if depth > 0 or not char.isspace():
            kept.append(char)
    return "".join(kept)


class _Translator:
    """Translates a pattern to RE2 in one pass from left to right."""

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
                    raise self.wrong("(? is not supported")
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
            raise FeelError("feel.conversion", "back-references are not supported")
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
        """Translate a class; in `[a-z-[aeiou]]` the second class is subtracted from the first."""
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
                    raise self.wrong("] must follow a subtracted class")
                break
            pieces.append(self.escape(in_class=True) if char == "\\" else _in_class(char))
        made = f"[{'^' if negated else ''}{''.join(pieces)}]"
        return self.difference(made, subtracted) if subtracted else made

    def difference(self, made: str, subtracted: str) -> str:
        """List the difference within the Basic Multilingual Plane, as RE2 has no subtraction."""
        switch = "(?i)" if self.ignore_case else ""
        found = [_members(switch + part) for part in (made, subtracted)]
        codes = sorted(found[0] - found[1])
        return f"(?-i:[{_ranges(codes)}])" if codes else r"[^\x00-\x{10FFFF}]"


def _members(part: str) -> set[int]:
    """Return the characters of the Basic Multilingual Plane that a class matches."""
    members: set[int] = set()
    for found in _compiled(f"(?:{part})+").finditer(_plane()):
        members.update(map(ord, found.group()))
    return members


@functools.cache
def _plane() -> str:
    """Return all characters of the Basic Multilingual Plane."""
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
