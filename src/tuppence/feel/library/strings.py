"""Functions on texts (DMN 1.5, 10.3.4.3)."""

from decimal import Decimal
from typing import Final

from tuppence.feel import patterns
from tuppence.feel.budget import short
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import whole
from tuppence.feel.types import BOOLEAN, NUMBER, STRING, ListOf, Nullable


def _substring(text: str, start: Decimal, length: Decimal | None = None) -> str:
    position = whole(start)
    if position == 0 or abs(position) > len(text):
        raise FeelError("feel.argument-type", f"the text has no position {start}")
    first = position - 1 if position > 0 else len(text) + position
    if length is None:
        return text[first:]
    if length < 1:
        raise FeelError("feel.argument-type", "the length must be 1 or more")
    return text[first : first + whole(length)]


def _before(text: str, match: str) -> str:
    return text.partition(match)[0] if match and match in text else ""


def _after(text: str, match: str) -> str:
    return text.partition(match)[2] if match else text


def _join(texts: list[str | None], delimiter: str | None = None) -> str:
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise FeelError("feel.argument-type", "string join takes texts")
    given = [text for text in texts if text is not None]
    between = delimiter or ""
    short(sum(map(len, given)) + len(between) * max(len(given) - 1, 0))
    return between.join(given)


_TEXT: Final = (("string", STRING),)
_MATCH: Final = (("string", STRING), ("match", STRING))

_FLAGS: Final = ("flags", Nullable(STRING))

FUNCTIONS: Final = (
    Builtin(
        "matches",
        (("input", STRING), ("pattern", STRING), _FLAGS),
        BOOLEAN,
        patterns.matches,
        "Returns true if a regular expression matches part of the text.",
        required=2,
        spends=True,
    ),
    Builtin(
        "replace",
        (("input", STRING), ("pattern", STRING), ("replacement", STRING), _FLAGS),
        STRING,
        patterns.replace,
        "Replaces every match of a regular expression.",
        required=3,
        spends=True,
    ),
    Builtin(
        "split",
        (("string", STRING), ("delimiter", STRING)),
        ListOf(STRING),
        patterns.split,
        "Returns the parts between the matches of a regular expression.",
        spends=True,
    ),
    Builtin(
        "substring",
        (("string", STRING), ("start position", NUMBER), ("length", NUMBER)),
        STRING,
        _substring,
        "Returns part of the text; positions count from 1, or from -1 at the end.",
        required=2,
    ),
    Builtin(
        "string length",
        _TEXT,
        NUMBER,
        lambda text: Decimal(len(text)),
        "Returns the number of characters.",
    ),
    Builtin("upper case", _TEXT, STRING, str.upper, "Returns the text in upper case."),
    Builtin("lower case", _TEXT, STRING, str.lower, "Returns the text in lower case."),
    Builtin(
        "substring before",
        _MATCH,
        STRING,
        _before,
        "Returns the text before the match, or '' without a match.",
    ),
    Builtin(
        "substring after",
        _MATCH,
        STRING,
        _after,
        "Returns the text after the match, or '' without a match.",
    ),
    Builtin(
        "contains",
        _MATCH,
        BOOLEAN,
        lambda text, match: match in text,
        "Returns true if the text contains the match.",
    ),
    Builtin(
        "starts with",
        _MATCH,
        BOOLEAN,
        str.startswith,
        "Returns true if the text starts with the match.",
    ),
    Builtin(
        "ends with", _MATCH, BOOLEAN, str.endswith, "Returns true if the text ends with the match."
    ),
    Builtin(
        "string join",
        (("list", ListOf(Nullable(STRING))), ("delimiter", Nullable(STRING))),
        STRING,
        _join,
        "Joins all texts, with the delimiter between them.",
        required=1,
    ),
)
