"""Checks what authors write in a form, and names the place in their own words."""

import difflib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from tuppence.facts.schema import FieldType, Schema
from tuppence.feel.diagnostics import Diagnostic, Span
from tuppence.rules.checking import Finding
from tuppence.rules.definition import Criteria, Definition, Measure
from tuppence.structured import Location


def form_findings(definition: Definition, schema: Schema) -> Iterator[Finding]:
    """Yield mistakes in the rows and measures of a definition that its types do not show."""
    kinds = {field.name: field.kind for field in schema.customer}
    if isinstance(definition.when, Criteria):
        yield from _criteria(definition.when, ("when",), kinds)
    if not isinstance(definition.score, str):
        for number, term in enumerate(definition.score.terms):
            yield from _measure(term.what, ("score", "terms", number, "what"), kinds)
    for name, value in definition.values.items():
        if isinstance(value, Measure):
            yield from _measure(value, ("values", name), kinds)


def _criteria(row: Criteria, place: Location, kinds: dict[str, FieldType]) -> Iterator[Finding]:
    for group in ("all", "any", "none"):
        for number, inner in enumerate(getattr(row, group) or ()):
            yield from _criteria(inner, (*place, group, number), kinds)
    if row.what is None:
        return
    yield from _measure(row.what, (*place, "what"), kinds)
    if isinstance(row.value, Measure):
        yield from _measure(row.value, (*place, "value"), kinds)
    elif row.what.measure != "customer" or kinds.get(row.what.field) is not FieldType.TEXT:
        yield from _numbers(row.value, (*place, "value"))


def _numbers(value: str | list[str] | None, place: Location) -> Iterator[Finding]:
    several = isinstance(value, list)
    for number, text in enumerate(value if isinstance(value, list) else [value or ""]):
        try:
            Decimal(text)
        except InvalidOperation:
            where = (*place, number) if several else place
            yield _finding(where, text, f"{text} is not a number", "write digits only: 60 or 12.50")


def _measure(measure: Measure, place: Location, kinds: dict[str, FieldType]) -> Iterator[Finding]:
    if measure.measure == "customer" and measure.field not in kinds:
        close = difflib.get_close_matches(measure.field, kinds, 1)
        hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(kinds)}"
        message = f"a customer has no field {measure.field}"
        yield _finding((*place, "field"), measure.field, message, hint)


def _finding(place: Location, text: str, message: str, hint: str) -> Finding:
    return Finding(place, Diagnostic("rule.form", Span(0, len(text)), message, hint))
