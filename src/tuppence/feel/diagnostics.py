"""Diagnostics: errors and warnings about a FEEL text, with places and hints."""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tuppence.errors import UserError

EXPLANATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "feel.syntax": (
        "The text is not a FEEL expression.",
        "check for missing or extra text at this place",
    ),
    "feel.unsupported": (
        "The text uses a part of FEEL that is not supported.",
        "write it differently",
    ),
    "feel.unknown-name": (
        "A name is used that neither the facts nor the expression define.",
        "tuppence schema lists the names",
    ),
    "feel.unknown-function": (
        "A function is called that does not exist.",
        "the reference lists the functions",
    ),
    "feel.unknown-field": (
        "A field is read that the value does not have.",
        "tuppence schema lists the fields",
    ),
    "feel.argument-count": (
        "A function is called with too few or too many arguments.",
        "give the arguments that its signature shows",
    ),
    "feel.argument-type": (
        "A function is called with an argument of the wrong type.",
        "give a value of that type, or convert it: number(…), string(…), date(…)",
    ),
    "feel.operand-type": (
        "An operator is used with values of types that it does not support.",
        "give both sides the same type",
    ),
    "feel.never-holds": (
        "A comparison can never be true, because the two sides have different types.",
        "compare with a value of the same type",
    ),
    "feel.result-type": (
        "The expression has the wrong type.",
        "a condition needs a comparison; a score needs a number",
    ),
    "feel.shadowing": ("A name hides a built-in function.", "choose another name"),
    "feel.null-prone": (
        "A comparison is null, and so never true, if a list is empty.",
        "test first: count(…) > 0",
    ),
    "feel.null-operand": (
        "While evaluating: an operator met null, so its value is null.",
        "test first: if x != null then … else …",
    ),
    "feel.arithmetic": (
        "While evaluating: a number is undefined, such as a division by zero.",
        "test first: if x != 0 then … else …",
    ),
    "feel.conversion": (
        "While evaluating: a text could not be converted to the expected type.",
        "check the text: dates are written 2026-03-31, durations P90D",
    ),
    "feel.budget": (
        "While evaluating: the expression took more steps or space than one evaluation may use.",
        "process fewer elements, or compare and write smaller values",
    ),
    "rule.value-null": (
        "A value that the message shows can be null.",
        "exclude null in when, or use another value with if … then … else …",
    ),
    "rule.word": (
        "A field is compared with a word that it never has, such as a misspelt category.",
        "the page of words lists the categories and types",
    ),
    "rule.nobody": (
        "In the store, nobody fulfils a condition of the rule.",
        "compare it with the customers' data, or try it on a store that is more like the real one",
    ),
    "rule.form": (
        "A row of a form compares with something that does not fit its measure.",
        "measures are numbers; fields of the customer are listed by tuppence schema",
    ),
    "rule.validity": (
        "The rule or its approval is not valid on the day of the check.",
        "an approval lies in the past; valid_until and until are last days",
    ),
    "rule.offer": (
        "An offer does not say what customers must know to take it.",
        "add offer: {partner: …, terms: …} and valid_until",
    ),
    "rule.approval": (
        "The message is a financial promotion without an approval.",
        "add approval: {by: …, date: …, reference: …}, or reword it so that it promotes nothing",
    ),
    "rule.message": (
        "The message's template is wrong, or uses a value that the rule does not have.",
        "use the names under values, between {{ and }}; compute under values",
    ),
}
"""Every code of a diagnostic, with its meaning and the usual way to correct it."""


class Span(NamedTuple):
    """Half-open range of character offsets into the text."""

    start: int
    end: int


class Fix(NamedTuple):
    """A replacement for a part of the text that probably corrects it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning.

    Attributes:
        code: A key of `EXPLANATIONS`.
        span: The place in the text.
        message: One sentence in the words of a rule's author.
        hint: Advice on this very case, or empty; `advice` then has the usual correction.
        warning: Whether the text is valid but probably not what its author meant.
        fix: The correction that the hint proposes, if it can be made by itself.
    """

    code: str
    span: Span
    message: str
    hint: str = ""
    warning: bool = False
    fix: Fix | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        assert self.code in EXPLANATIONS, self.code  # noqa: S101 - a new code needs its explanation

    @property
    def advice(self) -> str:
        """The hint, or else the usual correction of such a finding."""
        return self.hint or EXPLANATIONS[self.code][1]


class FeelSyntaxError(UserError):
    """Raised for a text that is not FEEL."""

    def __init__(self, text: str, diagnostic: Diagnostic) -> None:
        line, column = line_and_column(text, diagnostic.span.start)
        super().__init__(
            diagnostic.code,
            f"line {line}, column {column}: {diagnostic.message}",
            diagnostic.advice,
            [caret(text, diagnostic.span)],
        )
        self.diagnostic = diagnostic


class FeelError(Exception):
    """Raised inside an evaluation; the interpreter turns it into null and a diagnostic."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of a character offset, both counted from 1."""
    starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
    line = bisect.bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def caret(text: str, span: Span) -> str:
    """Return the line of the text where the span starts, with carets under the span."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", start)
    line = text[start:] if end < 0 else text[start:end]
    width = max(1, min(span.end, start + len(line)) - span.start)
    return f"{line}\n{' ' * (span.start - start)}{'^' * width}"
