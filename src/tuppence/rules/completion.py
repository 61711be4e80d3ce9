"""Completes FEEL texts while they are written: names, functions, and words that fields can have.

The text before the cursor is rarely an expression yet, so it is split into tokens without being
parsed. Names have blanks in them: a run of words is completed from the first word that begins a
known name.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from tuppence.facts.schema import COLLECTIONS, Field, Schema, collection_doc
from tuppence.feel import feel_literal
from tuppence.feel.library import BUILTINS
from tuppence.rules.domain import documented_definitions
from tuppence.rules.words import Known

MAX_OPTIONS: Final = 40
"""Maximum number of options."""
_TOKEN: Final = re.compile(
    r"""
    (?P<blank>  \s+ | //[^\n]*\n | /\*.*?\*/ )
  | (?P<open>   //[^\n]*\Z | /\*.*\Z )
  | (?P<string> "(?:[^"\\]|\\.)*" )
  | (?P<begun>  "(?:[^"\\]|\\.)*\\?\Z )
  | (?P<word>   [^\W\d]\w* )
  | (?P<symbol> \d[\w.]* | != | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}
_KEYWORDS: Final = (
    *("and", "or", "in", "between", "if", "then", "else", "null", "true", "false"),
    *("for", "return", "some", "every", "satisfies"),
)


class Option(NamedTuple):
    """A text that may stand at the cursor.

    Attributes:
        label: The text as it is offered.
        insert: The text that replaces what was typed.
        detail: Its type and unit, or its part of speech.
        doc: One sentence.
    """

    label: str
    insert: str
    detail: str
    doc: str = ""


class Completion(NamedTuple):
    """Options for a place in a text.

    Attributes:
        start: Start of the text that they replace, up to the cursor.
        options: The options, the likeliest first.
    """

    start: int
    options: tuple[Option, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def complete(
    text: str, position: int, schema: Schema, known: Known, values: Sequence[str] = ()
) -> Completion:
    """Return what may stand at a position of a FEEL text.

    Args:
        text: The text.
        position: The cursor.
        schema: Schema of the facts.
        known: The words of fields.
        values: Names of values of the rule that the text may use.
    """
    before = text[:position]
    tokens = [
        _Token(found.lastgroup or "", found[0], found.start()) for found in _TOKEN.finditer(before)
    ]
    tokens = [token for token in tokens if token.kind != "blank"]
    place = _Place(tokens, schema)
    last = tokens[-1] if tokens else None
    if last is not None and last.kind == "open":
        return Completion(position, ())
    if last is not None and last.kind == "begun":
        typed = last.text[1:]
        words = _words(place.compared(), known)
        options = [Option(word, feel_literal(word)[1:], "word") for word in matching(words, typed)]
        return Completion(last.start + 1, tuple(options[:MAX_OPTIONS]))
    if place.after_dot:
        options = [_field(field) for field in place.fields(place.base)]
    else:
        options = list(_names(place, values))
    return _from_words(before, place.run, options)


def _words(field: tuple[str, str] | None, known: Known) -> Collection[str]:
    return () if field is None else known(*field)


def matching(words: Collection[str], typed: str) -> Iterator[str]:
    """Yield words that begin with what was typed, then those that contain it."""
    plain = typed.casefold()
    ordered = sorted(words, key=lambda word: (not word.casefold().startswith(plain), word))
    return (word for word in ordered if plain in word.casefold())


def _names(place: "_Place", values: Sequence[str]) -> Iterator[Option]:
    for base in place.filters():
        yield from (_field(field) for field in place.fields(base))
    yield from (Option(name, name, "value of this rule") for name in values)
    yield from (Option(name, name, "of each row") for name in place.loops)
    yield Option("customer", "customer", "context", collection_doc("customer"))
    yield from (Option(name, name, "list", collection_doc(name)) for name in COLLECTIONS)
    for call, doc in documented_definitions():
        yield Option(call, call.partition("(")[0] + "(", "function", doc)
    for builtin in BUILTINS.values():
        yield Option(builtin.signature, f"{builtin.name}(", "function", builtin.doc)
    yield from (Option(word, word, "keyword") for word in _KEYWORDS)


def _field(field: Field) -> Option:
    detail = field.kind.value + (f", {field.unit}" if field.unit else "")
    detail += ", can be null" if field.nullable else ""
    return Option(field.name, field.name, detail, field.doc)


def _from_words(before: str, run: Sequence[_Token], options: Sequence[Option]) -> Completion:
    """Return the options that begin with the last words of a text, as many words as possible."""
    blank = " " if before[-1:].isspace() else ""
    for token in run:
        typed = " ".join(before[token.start :].split()).casefold() + blank
        found = [one for one in options if one.label.casefold().startswith(typed)]
        if found:
            return Completion(token.start, tuple(found[:MAX_OPTIONS]))
    if blank or not run:
        return Completion(len(before), tuple(options[:MAX_OPTIONS]))
    typed = run[-1].text.casefold()
    inside = [one for one in options if typed in one.label.casefold()]
    return Completion(run[-1].start, tuple(inside[:MAX_OPTIONS]))


class _Place:
    """The surroundings of the end of a text.

    Args:
        tokens: The tokens up to there.
        schema: Schema of the facts.

    Attributes:
        run: The words at the end.
        after_dot: Whether they follow a dot.
        base: The word before the dot: a collection, `customer`, or empty.
        loops: Names of `for`, `some` and `every`, with the collections they go through.
    """

    def __init__(self, tokens: Sequence[_Token], schema: Schema) -> None:
        self._schema = schema
        self.loops: dict[str, str] = {}
        self.run: list[_Token] = []
        self.after_dot = False
        self.base = ""
        self._open: list[tuple[str, str]] = []
        self._value = ""
        self._compared: tuple[str, str] | None = None
        for number, token in enumerate(tokens):
            self._read(token, tokens[number - 1] if number else None)

    def filters(self) -> list[str]:
        """Return the collections whose rows the enclosing filters look at, the innermost first."""
        return [base for bracket, base in reversed(self._open) if bracket == "[" and base]

    def fields(self, base: str) -> tuple[Field, ...]:
        """Return the fields of `customer` or of the rows of a collection."""
        return self._schema.fields(base) if base else ()

    def compared(self) -> tuple[str, str] | None:
        """Return the table and the field with which a text at the end would be compared."""
        return self._compared

    def _read(self, token: _Token, before: _Token | None) -> None:
        if token.kind == "word":
            if before is None or before.kind != "word":
                self.run, self.after_dot = [], before is not None and before.text == "."
                self.base = self._value if self.after_dot else ""
            self.run = [*self.run, token]
            self._value = "" if self.after_dot else self._named()
            self._note_loop()
            return
        if token.text in {"=", "!="} or (token.text == "(" and self._ends_with_in()):
            self._compared = self._field_before()
        elif token.kind == "symbol" and token.text not in {",", "(", ")"}:
            self._compared = None
        if token.text in _CLOSING.values():
            self._open.append((token.text, self._value))
            self._value = ""
        elif token.text in _CLOSING:
            bracket, base = self._open.pop() if self._open else ("", "")
            self._value = base if (bracket, token.text) == ("[", "]") else ""
        elif token.text != ".":
            self._value = ""
        self.run, self.after_dot = [], token.text == "."
        self.base = self._value if self.after_dot else ""

    def _named(self) -> str:
        """Return the collection that the last words name, `customer`, or empty."""
        word = self.run[-1].text
        if word in self.loops:
            return self.loops[word]
        return word if word in COLLECTIONS or word == "customer" else ""

    def _note_loop(self) -> None:
        """Note the name of a loop when the collection after `in` is read: `some p in payments`."""
        words = [token.text for token in self.run]
        if len(words) >= 3 and words[-2] == "in" and words[-1] in COLLECTIONS:
            self.loops[words[-3]] = words[-1]

    def _ends_with_in(self) -> bool:
        return len(self.run) > 1 and self.run[-1].text == "in"

    def _field_before(self) -> tuple[str, str] | None:
        """Return the table and the name of the field that the last words name."""
        words = [token.text for token in self.run]
        if words[-1:] == ["in"]:
            words.pop()
        bases = [self.base] if self.after_dot else self.filters()
        for base in bases:
            names = {field.name for field in self.fields(base)}
            for start in range(len(words)):
                name = " ".join(words[start:])
                if name in names:
                    return (COLLECTIONS[base].table if base in COLLECTIONS else base), name
        return None
