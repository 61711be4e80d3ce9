"""Says to the browser what was found in a rule: in which field, and under which characters.

Python counts characters, browsers count the halves of UTF-16; an emoji is one or two of them.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tuppence.feel.diagnostics import Span
from tuppence.rules.checking import Finding
from tuppence.rules.files import RuleProblem
from tuppence.structured import Location


class Mark(msgspec.Struct, frozen=True):
    """A finding for the browser.

    Attributes:
        field: Name of the field of the form; empty if the form has none for its place.
        place: The place in the rule, in words.
        start: Start in the field's text, in UTF-16 units.
        end: End in the same units.
        is_warning: Whether the rule can run nevertheless.
        message: One sentence.
        hint: Advice, or empty.
        fix: Start, end and text of a replacement that probably corrects it; None without one.
    """

    field: str
    place: str
    start: int
    end: int
    is_warning: bool
    message: str
    hint: str
    fix: tuple[int, int, str] | None = None


def marks_of(findings: Iterable[Finding], form: Mapping[str, Any]) -> list[Mark]:
    """Return the marks of a form.

    Args:
        findings: The findings about what the form says.
        form: The form.
    """
    found = []
    for place, diagnostic in ((one.place, one.diagnostic) for one in findings):
        field = field_of_place(place, form)
        text = text_at(form, field)
        start, end = _shown(diagnostic.span, text or "")
        fix = diagnostic.fix
        at = None
        if fix is not None and text is not None:
            at = (utf16(text, fix.span.start), utf16(text, fix.span.end), fix.text)
        message, hint = diagnostic.message, diagnostic.advice
        name = field if text is not None or field in {"when", "score"} else ""
        words = _in_words(place)
        found.append(Mark(name, words, start, end, diagnostic.warning, message, hint, at))
    return found


def marks_of_file(problems: Iterable[RuleProblem], text: str) -> list[Mark]:
    """Return the marks of a rule that is edited as a file, in the field `text`."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for problem in problems:
        one, start, end = _with_place(problem), 0, 0
        if 0 < one.line < len(starts):
            start = starts[one.line - 1] + max(one.column - 1, 0)
            last, column = one.end
            end = starts[last - 1] + max(column - 1, 0) if 0 < last < len(starts) else start
        start, end = _shown(Span(start, end), text) if one.line else (0, 0)
        words = f"line {one.line}" if one.line else "the file"
        found.append(Mark("text", words, start, end, one.warning, one.message, one.hint))
    return found


def _with_place(problem: RuleProblem) -> RuleProblem:
    """Return a problem with the place that the message of an unreadable file begins with."""
    found = re.match(rf"{re.escape(str(problem.path))}:(\d+):(\d+): ", problem.message)
    if found is None or problem.line:
        return problem
    line, column = int(found[1]), int(found[2])
    message = problem.message[found.end() :]
    return dataclasses.replace(
        problem, line=line, column=column, end=(line, column + 1), message=message
    )


def utf16(text: str, offset: int) -> int:
    """Return an offset in a text in UTF-16 units."""
    return offset + sum(char > "\uffff" for char in text[:offset])


def code_points(text: str, offset: int) -> int:
    """Return the number of characters before an offset in UTF-16 units."""
    for number, char in enumerate(text):
        if offset <= 0:
            return number
        offset -= 2 if char > "\uffff" else 1
    return len(text)


def field_of_place(place: Location, form: Mapping[str, Any]) -> str:
    """Return the name of the field for a place in a rule."""
    if place[:1] == ("values",) and len(place) > 1:
        names = [row.get("name") for row in form.get("values", [])]
        if place[1] in names:
            number = names.index(place[1])
            rest = (".".join(["what", *map(str, place[2:])])) if len(place) > 2 else "feel"
            return f"values.{number}.{rest}"
    return ".".join(map(str, place))


def text_at(form: Mapping[str, Any], field: str) -> str | None:
    """Return the text of a field; None if the form has no such field."""
    node: Any = form
    for step in field.split("."):
        if isinstance(node, Sequence) and not isinstance(node, str) and step.isdecimal():
            node = node[int(step)] if int(step) < len(node) else None
        else:
            node = node.get(step) if isinstance(node, Mapping) else None
    return node if isinstance(node, str) else None


def _shown(span: Span, text: str) -> tuple[int, int]:
    """Return a span in UTF-16 units that covers at least one character, if there is any."""
    start, end = min(span.start, len(text)), min(max(span.end, span.start), len(text))
    if start == end:
        start, end = (start, end + 1) if end < len(text) else (max(start - 1, 0), end)
    return utf16(text, start), utf16(text, end)


def _in_words(place: Location) -> str:
    return " ".join(str(step + 1) if isinstance(step, int) else step for step in place)
