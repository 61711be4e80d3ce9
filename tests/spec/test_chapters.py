"""The chapters of this folder: each row of each table is a case, on each engine there is.

A chapter is Markdown. A block of FEEL gives the facts of the tables after it; a row of a table has
an expression and the text of its value. `now()` is noon on 30 June 2026.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tuppence.feel import compile_expression, evaluate, feel_literal, format_text, parse, syntax
from tuppence.feel.library import BUILTINS
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import Date, DateTime, parse_date_time

FOLDER = Path(__file__).parent
NOW = parse_date_time("2026-06-30T12:00:00Z")
ROW = re.compile(r"\| `(.*?)` \| `(.*?)` \|")
FACTS = re.compile(r"```feel\n(.*?)```", re.DOTALL)


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.md")):
        text = path.read_text("utf-8")
        facts = FACTS.search(text)
        for expression, result in ROW.findall(text):
            name = f"{path.stem}: {expression}"
            yield pytest.param(facts[1] if facts else "{}", expression, result, id=name)


def as_rows(value: Any) -> Any:
    """Facts as a run has them: lists of like contexts with known fields."""
    if not isinstance(value, dict):
        return value
    made = {name: as_rows(item) for name, item in value.items()}
    for name, items in made.items():
        if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
            fields = row_fields(items)
            made[name] = Rows(items, fields) if fields else items
    return made


def row_fields(items: list[dict[str, Any]]) -> dict[str, RowField] | None:
    fields: dict[str, RowField] = {}
    for name in items[0]:
        kinds = {type(item.get(name)) for item in items}
        known = kinds - {type(None)}
        if len(known) != 1 or not known <= {Decimal, str, bool, Date}:
            return None
        fields[name] = RowField(known.pop(), nullable=type(None) in kinds)
    return fields if all(item.keys() == fields.keys() for item in items) else None


def value_of(expression: str, facts: dict[str, Any], now: DateTime | None) -> Any:
    names = frozenset(names_in(facts))
    tree = parse(expression, names | BUILTINS.keys())
    return compile_expression(tree, now=now, names=names).evaluate(facts).value


def names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


@pytest.mark.parametrize("engine", ["interpreter", "rows"])
@pytest.mark.parametrize(("facts", "expression", "result"), list(cases()))
def test_a_row_of_the_specification(engine: str, facts: str, expression: str, result: str) -> None:
    context = evaluate(facts)
    found = value_of(expression, as_rows(context) if engine == "rows" else context, NOW)
    assert feel_literal(found) == feel_literal(evaluate(result))


@pytest.mark.parametrize(("facts", "expression", "result"), list(cases()))
def test_the_layout_of_a_row_keeps_its_meaning(facts: str, expression: str, result: str) -> None:  # noqa: ARG001
    names = frozenset(names_in(evaluate(facts))) | BUILTINS.keys()
    laid_out = format_text(expression, names)
    assert syntax.same(parse(laid_out, names), parse(expression, names))
    assert format_text(laid_out, names) == laid_out


def test_there_are_enough_cases() -> None:
    assert len(list(cases())) >= 400
