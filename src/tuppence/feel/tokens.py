"""Splits a text into tokens; names may hold spaces, so a word may be only a part of a name."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tuppence.feel.diagnostics import Diagnostic, FeelSyntaxError, Span

KEYWORDS: Final = frozenset(
    [
        "and",
        "between",
        "else",
        "every",
        "external",
        "false",
        "for",
        "function",
        "if",
        "in",
        "instance",
        "null",
        "of",
        "or",
        "return",
        "satisfies",
        "some",
        "then",
        "true",
    ]
)


class TokenKind(Enum):
    """The kind of a token."""

    NUMBER = "number"
    STRING = "string"
    WORD = "word"
    QUOTED_NAME = "quoted name"
    SYMBOL = "symbol"
    COMMENT = "comment"
    END = "end of the text"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, whose `text` is unescaped for strings and unquoted for names."""

    kind: TokenKind
    text: str
    span: Span


_TOKEN = re.compile(
    r"""
    (?P<blank>  (?: \s | //[^\n]* | /\*.*?\*/ )+ )
  | (?P<number> (?: \d+ (?:\.\d+)? | \.\d+ ) (?:[eE][+-]?\d+)? )
  | (?P<string> " (?: [^"\\] | \\. )* " )
  | (?P<quoted> ` [^`\n]* [^`\s] [^`\n]* ` )
  | (?P<word>   (?: [^\W\d] | [?\U00010000-\U000EFFFF] ) [\w\U00010000-\U000EFFFF]* )
  | (?P<symbol> \.\. | \*\* | -> | <= | >= | != | [-+*/=<>(){}\[\],:.@'] )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{6}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


def comments(text: str) -> list[Token]:
    """Return the comments of a text, which `tokenize` must accept."""
    found: list[Token] = []
    position = 0
    for token in tokenize(text):
        gap = text[position : token.span.start]
        for comment in _COMMENT.finditer(gap):
            span = Span(position + comment.start(), position + comment.end())
            found.append(Token(TokenKind.COMMENT, comment.group().rstrip(), span))
        position = token.span.end
    return found


def tokenize(text: str) -> list[Token]:
    """Split a text into tokens; the last one is END.

    Raises:
        FeelSyntaxError: A character starts no token, or a string or comment has no end.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found or text.startswith("/*", position) > (found.lastgroup == "blank"):
            raise _bad_character(text, position)
        start, position = position, found.end()
        if found.lastgroup == "blank":
            continue
        span, piece = Span(start, position), found.group()
        match found.lastgroup:
            case "number":
                tokens.append(Token(TokenKind.NUMBER, piece, span))
            case "string":
                tokens.append(Token(TokenKind.STRING, _unescape(piece[1:-1]), span))
            case "quoted":
                tokens.append(Token(TokenKind.QUOTED_NAME, " ".join(piece[1:-1].split()), span))
            case "word":
                tokens.append(Token(TokenKind.WORD, piece, span))
            case "symbol":
                tokens.append(Token(TokenKind.SYMBOL, piece, span))
    tokens.append(Token(TokenKind.END, "", Span(len(text), len(text))))
    return tokens


def _unescape(body: str) -> str:
    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) > 1 and int(code[1:], 16) < 0x110000:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, found[0])

    plain_text = _ESCAPE.sub(plain, body)
    # \uD83D\uDC0E names one character by its two UTF-16 halves.
    return plain_text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bad_character(text: str, position: int) -> FeelSyntaxError:
    span = Span(position, position + 1)
    if text[position] == '"':
        message, hint = "this text in quotes has no end", 'close it with "'
    elif text.startswith("/*", position):
        message, hint = "this comment has no end", "close it with */"
    elif text[position] in "“”„‘’":
        message, hint = f"{text[position]} is a typographic quote", 'write "…" with straight quotes'
    elif text[position] in "&|!;#$%^~\\":
        message = f"{text[position]} has no meaning in FEEL"
        words = {
            "&": "write and",
            "|": "write or",
            "!": "write not(…)",
            "%": "write a fraction: 0.1",
        }
        hint = words.get(text[position], "remove it")
    else:
        message, hint = f"{text[position]!r} has no meaning here", "remove it"
    return FeelSyntaxError(text, Diagnostic("feel.syntax", span, message, hint))
