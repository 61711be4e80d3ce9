"""Runs the chapters of this folder: each row of each table is a case, on each engine.

A chapter is Markdown. A block of FEEL gives the facts of the tables after it; a row of a table has
an expression and the text of its value. `now()` is noon on 30 June 2026.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tuppence.engine.columnar import BoundPlan
from tuppence.engine.kernel.outputs import UNSURE_STATE
from tuppence.facts.batch import DTYPES, NULLS, Column, FactBatch, Table
from tuppence.facts.schema import Field, FieldType
from tuppence.feel import compile_expression, evaluate, feel_literal, format_text, parse, syntax
from tuppence.feel.diagnostics import Span
from tuppence.feel.library import BUILTINS
from tuppence.feel.rows import RowField, Rows
from tuppence.feel.values import Date, DateTime, parse_date_time
from tuppence.plan import model
from tuppence.plan.model import Collection, Model
from tuppence.plan.passes import column_plan
from tuppence.plan.predicates import ANY_ROW
from tuppence.results.packed import MISSING, TEXT, plain_value
from tuppence.results.result import rounded
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Message, Rule

FOLDER = Path(__file__).parent
NOW = parse_date_time("2026-06-30T12:00:00Z")
ROW = re.compile(r"\| `(.*?)` \| `(.*?)` \|")
FACTS = re.compile(r"```feel\n(.*?)```", re.DOTALL)


class Row(NamedTuple):
    """A row of a table: facts, an expression, and its value."""

    facts: str
    expression: str
    result: str


CHAPTERS = sorted(FOLDER.glob("*.md"))
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def rows_of(chapter: Path) -> list[Row]:
    text = chapter.read_text("utf-8")
    facts = FACTS.search(text)
    return [Row(facts[1] if facts else "{}", *found) for found in ROW.findall(text)]


def as_rows(value: Any) -> Any:
    """Return facts as a run has them: lists of contexts with the same, known fields."""
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


def by_columns(expression: str, facts: dict[str, Any]) -> tuple[Any, bool]:
    """Return the value from the columnar engine, and whether columns could decide it."""
    assert NOW is not None
    names = frozenset(names_in(facts))
    tree = parse(expression, names | BUILTINS.keys())
    known, batch = as_batch(facts)
    one = syntax.Literal(Span(0, 0), Decimal(1))
    trees: dict[tuple[str, ...], syntax.Node] = {
        ("when",): syntax.Literal(Span(0, 0), value=True),
        ("score",): one,
    }
    rule = Rule("row", "tip", "A row", "true", "1", Message("x", "x"), {"result": expression})
    checked = CheckedRule(rule, {**trees, ("values", "result"): tree}, {})
    plan = column_plan([checked], known, NOW.date)
    if not plan.rules[0].whole:
        return None, False
    bound = BoundPlan(plan, batch)
    outputs = bound.run(0, 1)
    kind, number = int(outputs.kinds[0, 0]), int(outputs.values[0, 0])
    if outputs.states[0, 0] == UNSURE_STATE:
        return None, False
    if kind in {MISSING, TEXT}:
        return (bound.texts.texts[number] if kind == TEXT else None), True
    return plain_value(kind, number), True


KINDS: dict[type, FieldType] = {
    Decimal: FieldType.NUMBER,
    str: FieldType.TEXT,
    bool: FieldType.BOOLEAN,
    Date: FieldType.DATE,
}


def as_batch(facts: dict[str, Any]) -> tuple[Model, FactBatch]:
    """Return a customer with these facts: single values as fields, lists of contexts as tables."""
    attributes: dict[tuple[str, ...], Field] = {}
    customers = {"currency": column(["GBP"], FieldType.TEXT)}
    collections: dict[str, Collection] = {}
    tables = {name: Table(np.array([0, 0]), {}) for name in ("transactions", "accounts")}
    for path, value in flat(facts):
        kind = KINDS.get(type(value))
        if kind is not None and path[-1] not in customers:
            decimals = 6 if kind is FieldType.NUMBER else 0
            attributes[path] = Field(path[-1], kind, "", decimals=decimals)
            customers[path[-1]] = column([value], kind)
    lists = {name: rows for name, rows in facts.items() if isinstance(rows, list)}
    for name, rows in lists.items():
        fields = row_fields(rows) if rows and all(isinstance(r, dict) for r in rows) else None
        if fields is None or len(collections) == len(tables):
            continue
        place = list(tables)[len(collections)]
        kinds = {field: KINDS[row_field.kind] for field, row_field in fields.items()}
        table = model.Table(
            place,
            {
                field: Field(field, kind, "", decimals=6 if kind is FieldType.NUMBER else 0)
                for field, kind in kinds.items()
            },
            "",
            "",
        )
        collections[name] = Collection(table, ANY_ROW)
        columns = {f: column([row[f] for row in rows], kind) for f, kind in kinds.items()}
        tables[place] = Table(np.array([0, len(rows)]), columns)
    batch = FactBatch(("one",), customers, tables["accounts"], tables["transactions"])
    return Model(attributes, collections), batch


def flat(
    facts: dict[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in facts.items():
        if isinstance(value, dict) and not above:
            yield from flat(value, (name,))
        else:
            yield (*above, name), value


def column(values: list[Any], kind: FieldType) -> Column:
    null = NULLS[kind]
    match kind:
        case FieldType.TEXT:
            dictionary = (None, *sorted({v for v in values if v is not None}))
            raw = [dictionary.index(value) for value in values]
            return Column(kind, np.array(raw, DTYPES[kind]), dictionary)
        case FieldType.NUMBER:
            raw = [null if v is None else int(v.scaleb(6)) for v in values]
            return Column(kind, np.array(raw, DTYPES[kind]), decimals=6)
        case FieldType.DATE:
            raw = [null if v is None else v.day for v in values]
        case _:
            raw = [null if v is None else int(v) for v in values]
    return Column(kind, np.array(raw, DTYPES[kind]))


def test_columns_decide_many_rows() -> None:
    rows = [row for chapter in CHAPTERS for row in rows_of(chapter)]
    assert len(rows) >= 400
    decided = sum(by_columns(row.expression, evaluate(row.facts))[1] for row in rows)
    assert decided > 400, decided


@each_chapter
def test_rows_in_columns(chapter: Path, subtests: pytest.Subtests) -> None:
    """Rows that do not fit columns are left to the interpreter, which has its own test."""
    for facts, expression, result in rows_of(chapter):
        with subtests.test(expression):
            found, is_decided = by_columns(expression, evaluate(facts))
            if is_decided:
                assert feel_literal(found) == feel_literal(rounded(evaluate(result)))


@pytest.mark.parametrize("engine", ["interpreter", "rows"])
@each_chapter
def test_rows_of_the_specification(engine: str, chapter: Path, subtests: pytest.Subtests) -> None:
    for facts, expression, result in rows_of(chapter):
        with subtests.test(expression):
            context = evaluate(facts)
            found = value_of(expression, as_rows(context) if engine == "rows" else context, NOW)
            assert feel_literal(found) == feel_literal(evaluate(result))


@each_chapter
def test_the_layout_of_rows_keeps_their_meaning(chapter: Path, subtests: pytest.Subtests) -> None:
    for facts, expression, _ in rows_of(chapter):
        with subtests.test(expression):
            names = frozenset(names_in(evaluate(facts))) | BUILTINS.keys()
            laid_out = format_text(expression, names)
            assert syntax.same(parse(laid_out, names), parse(expression, names))
            assert format_text(laid_out, names) == laid_out
