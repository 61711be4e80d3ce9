"""A position in the tokens of a text, with the names that are known there."""

import difflib
import functools
from collections.abc import Iterable, Mapping
from typing import Final

from tuppence.feel.diagnostics import Diagnostic, FeelSyntaxError, Fix, Span
from tuppence.feel.tokens import Token, TokenKind, tokenize

MAX_DEPTH: Final = 90
PROPERTY_NAMES: Final = ("start included", "end included", "time offset")
"""Properties of values whose names have several words."""
_LITERAL_KINDS: Final = frozenset({TokenKind.SYMBOL, TokenKind.WORD})


def _parts(name: str) -> tuple[str, ...]:
    """Return the tokens of a name, or none if the name can be written only in quotes."""
    if name.isidentifier():
        return (name,)
    try:
        return tuple(token.text for token in tokenize(name)[:-1])
    except FeelSyntaxError:
        return ()


@functools.lru_cache(maxsize=256)
def _name_table(names: frozenset[str]) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Return names of several words, and of properties, by their first word, longest first."""
    table: dict[str, list[tuple[str, ...]]] = {}
    for name in sorted({*names, *PROPERTY_NAMES}):
        parts = _parts(name)
        if len(parts) > 1:
            table.setdefault(parts[0], []).append(parts)
    return {first: tuple(sorted(rows, key=len, reverse=True)) for first, rows in table.items()}


class Cursor:
    """Reads tokens one by one; the parser extends it by the grammar.

    Args:
        text: The text to read.
        names: Names of several words that the text may use.
    """

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.depth = 0
        self.closing_range = False
        self.names = dict(_name_table(frozenset(names)))

    # -- names ---------------------------------------------------------------------------------

    def declare(self, name: str) -> None:
        """Add a name of several words or with operators."""
        parts = _parts(name)
        known = self.names.get(parts[0], ()) if parts else ()
        if len(parts) > 1 and parts not in known:
            self.names[parts[0]] = tuple(sorted([*known, parts], key=len, reverse=True))

    def known_name(self) -> tuple[str, int] | None:
        """Return the longest known name at the current position, with its number of tokens."""
        candidates = self.names.get(self.token.text)
        if not candidates:
            return None
        longest = len(candidates[0])
        ahead = self.tokens[self.position : self.position + longest]
        texts = tuple(token.text for token in ahead)
        for parts in candidates:
            count = len(parts)
            if texts[:count] == parts:
                return self.text[ahead[0].span.start : ahead[count - 1].span.end], count
        return None

    def name(self, what: str) -> tuple[str, Span]:
        """Read a name: a known one of several words, a quoted one, or a single word."""
        start = self.token.span.start
        if self.token.kind is TokenKind.QUOTED_NAME:
            return self.advance().text, Span(start, self.previous_end)
        known = self.known_name() if self.token.kind is TokenKind.WORD else None
        if known:
            self.position += known[1]
            return " ".join(known[0].split()), Span(start, self.previous_end)
        if self.token.kind is TokenKind.WORD:
            return self.advance().text, Span(start, self.previous_end)
        raise self.unexpected(what)

    def name_until(self, *stops: str) -> str:
        """Read a new name: everything up to one of the symbols or keywords."""
        start = self.token.span.start
        while self.token.text not in stops and self.token.kind is not TokenKind.END:
            self.position += 1
        if self.token.text not in stops or self.token.span.start == start:
            raise self.unexpected("a name")
        name = " ".join(self.text[start : self.previous_end].split()).strip("`")
        self.declare(name)
        return name

    # -- tokens --------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The current token."""
        return self.tokens[self.position]

    @property
    def previous_end(self) -> int:
        """The end of the previous token in the text."""
        return self.tokens[self.position - 1].span.end

    def advance(self) -> Token:
        """Return the current token and move to the next."""
        token = self.token
        self.position += 1
        return token

    def at_end(self) -> bool:
        """Return whether the whole text has been read."""
        return self.token.kind is TokenKind.END

    def sees(self, *texts: str) -> bool:
        """Return whether one of these symbols or words comes next."""
        token = self.tokens[self.position]
        return token.text in texts and token.kind in _LITERAL_KINDS

    def accept(self, *texts: str) -> bool:
        """Read one of these symbols or words, if one comes next."""
        if self.sees(*texts):
            self.position += 1
            return True
        return False

    def expect(self, text: str, what: str = "") -> None:
        """Read this symbol or word.

        Raises:
            FeelSyntaxError: Something else comes next; `what` was expected.
        """
        if not self.accept(text):
            raise self.unexpected(what or text)

    def unexpected(self, wanted: str) -> FeelSyntaxError:
        """Return the error for a token other than the expected one."""
        token = self.token
        found = "the text ends" if self.at_end() else f"{self.text[slice(*token.span)]} stands"
        message = f"{found} where {wanted} was expected"
        if token.text == "=" and self.tokens[self.position - 1].text == "=":
            return self.error(token.span, message, "write one = to compare")
        fix = self.name_fix()
        hint = "" if fix is None else f"did you mean {fix.text}?"
        found_here = Diagnostic("feel.syntax", token.span, message, hint, fix=fix)
        return FeelSyntaxError(self.text, found_here)

    def name_fix(self) -> Fix | None:
        """Return the correction if two adjacent words are probably a misspelled name."""
        before = self.tokens[self.position - 1] if self.position else self.token
        if self.token.kind is not TokenKind.WORD or before.kind is not TokenKind.WORD:
            return None
        known = [" ".join(parts) for rows in self.names.values() for parts in rows]
        close = difflib.get_close_matches(f"{before.text} {self.token.text}", known, 1, 0.6)
        return Fix(Span(before.span.start, self.token.span.end), close[0]) if close else None

    def error(self, span: Span, message: str, hint: str = "") -> FeelSyntaxError:
        """Return a syntax error at a span."""
        return FeelSyntaxError(self.text, Diagnostic("feel.syntax", span, message, hint))

    def unsupported(self, span: Span, what: str) -> FeelSyntaxError:
        """Return the error for a part of the language that is not supported."""
        message = f"{what} is not supported"
        return FeelSyntaxError(self.text, Diagnostic("feel.unsupported", span, message))
