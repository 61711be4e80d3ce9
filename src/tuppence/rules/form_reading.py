"""Reads rows of the form out of FEEL, the inverse of the translation in `definition`.

What it reads is translated back and compared, so rows always mean what the text says; a text that
no rows can say is left as it is.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from tuppence.errors import UserError
from tuppence.facts.schema import FieldType, Schema
from tuppence.feel import FeelSyntaxError, parse, syntax
from tuppence.feel.library import BUILTINS
from tuppence.rules.definition import FORM_FUNCTIONS, STREAMS, Criteria, Measure, feel_of_form

_SIGNS: Final = {
    ">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "=": "exactly",
    "!=": "not",
}  # fmt: skip
_TOTALS: Final = {"total": "how much", "average": "average", "max": "biggest", "min": "smallest"}
_COLLECTIONS: Final = frozenset({"payments", "receipts", "transactions", "accounts"}) | STREAMS
_TEXTS: Final = frozenset(
    {"category", "merchant", "type", "account type", "country", "state", "cadence"}
)
_DAYS: Final = re.compile(r"P(\d+)D")
Plain = dict[str, Any]


class _NotRowsError(Exception):
    """Raised where a text says what no row can say."""


def criteria_in(text: str, schema: Schema) -> Criteria | None:
    """Return the rows that a condition in FEEL says; None if no rows can say it."""

    def read(node: syntax.Node) -> Criteria:
        found = _criteria(node, {field.name: field.kind for field in schema.customer})
        whole = found if found.keys() & {"all", "any", "none"} else {"all": [found]}
        return msgspec.convert(whole, Criteria)

    found: Criteria | None = _read(text, schema, read)
    return found


def measure_in(text: str, schema: Schema) -> Measure | None:
    """Return the measure that a value in FEEL is; None if it is none."""
    found: Measure | None = _read(
        text, schema, lambda node: msgspec.convert(_measure(node), Measure)
    )
    return found


def _read(text: str, schema: Schema, read: Any) -> Any:
    words = schema.words() | BUILTINS.keys() | FORM_FUNCTIONS
    try:
        tree = parse(text, words)
        found = read(tree)
        again = parse(feel_of_form(found, schema), words)
    except (FeelSyntaxError, _NotRowsError, msgspec.ValidationError, UserError):
        return None
    return found if _meaning(again) == _meaning(tree) else None


def _criteria(node: syntax.Node, kinds: Mapping[str, FieldType]) -> Plain:
    match node:
        case syntax.Logic(operator=operator):
            group = "all" if operator == "and" else "any"
            return {group: [_criteria(one, kinds) for one in _operands(node, operator)]}
        case syntax.Call(
            function=syntax.Name(name="not"), arguments=(syntax.In() as among,), names=None
        ):
            return _criteria(among, kinds) | {"is": "not"}
        case syntax.Call(function=syntax.Name(name="not"), arguments=(inner,), names=None):
            return {"none": [_criteria(one, kinds) for one in _operands(inner, "or")]}
        case syntax.In(value=value, tests=tests):
            return {
                "what": _measure(value), "is": "exactly", "value": [_literal(one) for one in tests]
            }  # fmt: skip
        case syntax.Comparison(operator=operator, left=left, right=right):
            compared: Any
            try:
                compared = _literal(right)
            except _NotRowsError:
                compared = _measure(right)
            return {"what": _measure(left), "is": _SIGNS[operator], "value": compared}
    raise _NotRowsError


def _operands(node: syntax.Node, operator: str) -> Iterator[syntax.Node]:
    if isinstance(node, syntax.Logic) and node.operator == operator:
        yield from _operands(node.left, operator)
        yield from _operands(node.right, operator)
    else:
        yield node


def _measure(node: syntax.Node) -> Plain:
    match node:
        case syntax.Arithmetic(operator="*", left=left, right=right):
            return {**_measure(right), "times": _literal(left)}
        case syntax.Path(base=syntax.Name(name="customer"), name=name):
            return {"measure": "customer", "field": name}
        case syntax.Path(base=syntax.Filter(base=rows), name="amount"):
            return {"measure": "latest", **_rows(rows)}
        case syntax.Path(
            base=syntax.Arithmetic(
                operator="-", right=syntax.Path(base=syntax.Filter(base=rows), name="booking date")
            ),
            name="days",
        ):
            return {"measure": "days since", **_rows(rows)}
        case syntax.Call(function=syntax.Name(name=name), arguments=arguments, names=None):
            return _called(name, arguments)
    raise _NotRowsError


def _called(name: str, arguments: tuple[syntax.Node, ...]) -> Plain:
    match name, arguments:
        case "count", (
            syntax.Call(
                function=syntax.Name(name="distinct values"), arguments=(syntax.Path(base=rows),)
            ),
        ):
            return {"measure": "merchants", **_rows(rows)}
        case "count", (rows,):
            return {"measure": "how many", **_rows(rows)}
        case "percentage", (syntax.Arithmetic(left=now), _):
            return {**_measure(now), "measure": "change"}
        case _, (syntax.Path(base=rows),) if name in _TOTALS:
            return {"measure": _TOTALS[name], **_rows(rows)}
    raise _NotRowsError


def _rows(node: syntax.Node) -> Plain:
    match node:
        case syntax.Name(name=name) if name in _COLLECTIONS:
            return {"of": name}
        case syntax.Filter(base=syntax.Name(name=name), predicate=predicate) if (
            name in _COLLECTIONS
        ):
            return {"of": name} | _conditions(predicate)
    raise _NotRowsError


def _conditions(predicate: syntax.Node) -> Plain:
    where: Plain = {}
    begin = until = 0
    for one in _operands(predicate, "and"):
        match one:
            case syntax.Comparison(
                operator=">" | "<=" as sign,
                left=syntax.Name(name="booking date"),
                right=syntax.Arithmetic(operator="-", right=syntax.Literal(value=length)),
            ):
                days = _DAYS.fullmatch(str(length))
                if days is None:
                    raise _NotRowsError
                begin, until = (int(days[1]), until) if sign == ">" else (begin, int(days[1]))
            case syntax.Comparison(operator="!=", left=syntax.Name(name="balance")):
                pass  # the translation of a measure of balances has it
            case _:
                name, value = _condition(one)
                if name.startswith("not ") and name in where:
                    before = where[name]
                    value = [*(before if isinstance(before, list) else [before]), value]
                elif name in where:
                    raise _NotRowsError
                where[name] = value
    found: Plain = {"where": where} if where else {}
    if begin:
        found["days"] = begin - until
    return found | ({"until days ago": until} if until else {})


def _condition(node: syntax.Node) -> tuple[str, Any]:
    match node:
        case syntax.Comparison(operator="=", left=syntax.Name(name=name), right=right) if (
            name in _TEXTS
        ):
            return name, _text(right)
        case syntax.Comparison(
            operator="!=", left=syntax.Name(name="category" | "type" as name), right=right
        ):
            return f"not {name}", _text(right)
        case syntax.In(value=syntax.Name(name=name), tests=tests) if name in _TEXTS:
            return name, [_text(one) for one in tests]
        case syntax.Call(function=syntax.Name(name="contains"), arguments=(_, literal)):
            return "text", _text(literal)
        case syntax.Comparison(
            operator=">" | "<" as sign, left=syntax.Name(name="amount"), right=right
        ):
            return "over" if sign == ">" else "under", _literal(right)
        case syntax.Name(name="own transfer"):
            return "own transfer", True
        case syntax.Call(
            function=syntax.Name(name="not"), arguments=(syntax.Name(name="own transfer"),)
        ):
            return "own transfer", False
    raise _NotRowsError


def _text(node: syntax.Node) -> str:
    if isinstance(node, syntax.Literal) and isinstance(node.value, str):
        return node.value
    raise _NotRowsError


def _literal(node: syntax.Node) -> str:
    """Return a number or a text as a form has it."""
    match node:
        case syntax.Negation(operand=syntax.Literal(value=Decimal() as value)):
            return f"{-value:f}"
        case syntax.Literal(value=Decimal() as value):
            return f"{value:f}"
        case syntax.Literal(value=str() as value):
            return value
    raise _NotRowsError


def _meaning(node: Any) -> Any:
    """Return a tree without places, in which the order of operands of and and or does not count."""
    if isinstance(node, syntax.Logic):
        operands = [_meaning(one) for one in _operands(node, node.operator)]
        return node.operator, sorted(map(repr, operands))
    if isinstance(node, tuple) and not hasattr(node, "_fields"):
        return [_meaning(one) for one in node]
    if dataclasses.is_dataclass(node):
        parts = [field.name for field in dataclasses.fields(node) if field.name != "span"]
        return type(node).__name__, [_meaning(getattr(node, name)) for name in parts]
    return repr(node)
