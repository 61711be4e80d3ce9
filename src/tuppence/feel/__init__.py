"""FEEL, the expression language of OMG DMN 1.5, for rules that people can read.

    >>> from tuppence.feel import evaluate
    >>> evaluate("sum(prices[item > 2])", {"prices": [1, 2, 3, 4]})
    Decimal('7')

`parse` gives the syntax tree, `check` finds errors before anything runs, `compile_expression`
makes an expression ready to be evaluated many times.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuppence.errors import UserError
from tuppence.feel.budget import MAX_NESTING
from tuppence.feel.checker import check
from tuppence.feel.diagnostics import Diagnostic, FeelSyntaxError, Span, caret, line_and_column
from tuppence.feel.formatting import format_text
from tuppence.feel.interpreter import Expression, Outcome, compile_expression
from tuppence.feel.library import BUILTINS
from tuppence.feel.library.conversion import feel_literal, feel_text
from tuppence.feel.numbers import CONTEXT
from tuppence.feel.parser import parse, parse_unary_tests
from tuppence.feel.values import Date, DateTime, Time, parse_date_time, type_name

__all__ = [
    "Date",
    "DateTime",
    "Diagnostic",
    "Expression",
    "FeelSyntaxError",
    "Outcome",
    "Span",
    "Step",
    "Time",
    "caret",
    "check",
    "compile_expression",
    "evaluate",
    "feel_literal",
    "feel_text",
    "format_text",
    "inspect",
    "line_and_column",
    "parse",
    "parse_unary_tests",
    "passes_tests",
    "trace",
    "type_name",
]


def evaluate(
    expression: str, context: Mapping[str, object] | None = None, now: DateTime | None = None
) -> Any:
    """The value of a FEEL expression; an error inside it is null.

    Args:
        expression: FEEL text.
        context: Variables, as FEEL values; int and float are taken as numbers.
        now: The value of `now()`, whose day is `today()`; the system's clock if left out.

    Raises:
        FeelSyntaxError: The text is not FEEL.
        UserError: A value of the context is too deep, or no number that FEEL has.
    """
    return inspect(expression, context, now).value


def inspect(
    expression: str, context: Mapping[str, object] | None = None, now: DateTime | None = None
) -> Outcome:
    """As `evaluate`, with the reasons why the value or a part of it is null.

    Raises:
        FeelSyntaxError: The text is not FEEL.
    """
    values, names = _facts(context or {})
    tree = parse(expression, names | BUILTINS.keys())
    return compile_expression(tree, now=now or _clock(), names=names).evaluate(values)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a text, and the value it had in an evaluation.

    Attributes:
        span: Where in the text.
        text: The part.
        value: A FEEL value.
    """

    span: Span
    text: str
    value: Any


def trace(
    expression: str, context: Mapping[str, object] | None = None, now: DateTime | None = None
) -> tuple[Outcome, tuple[Step, ...]]:
    """As `inspect`, with the value of every part that was evaluated, the whole ones first.

    Parts inside loops and filters have a value for each element, and are left out.

    Raises:
        FeelSyntaxError: The text is not FEEL.
    """
    values, names = _facts(context or {})
    tree = parse(expression, names | BUILTINS.keys())
    seen: dict[Span, Any] = {}
    compiled = compile_expression(
        tree, now=now or _clock(), names=names, record=lambda n, v: seen.update({n.span: v})
    )
    outcome = compiled.evaluate(values)
    spans = sorted(seen, key=lambda span: (span.start, -span.end))
    return outcome, tuple(Step(span, expression[slice(*span)], seen[span]) for span in spans)


def passes_tests(
    tests: str,
    value: object,
    context: Mapping[str, object] | None = None,
    now: DateTime | None = None,
) -> bool | None:
    """Whether a value passes unary tests such as `> 5, [1..3]`; None where that is null.

    Raises:
        FeelSyntaxError: The text is not unary tests.
    """
    values, names = _facts({**(context or {}), "?": value})
    tree = parse_unary_tests(tests, names | BUILTINS.keys())
    passed = compile_expression(tree, now=now or _clock(), names=names).evaluate(values).value
    return passed if isinstance(passed, bool) else None


def _clock() -> DateTime:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    moment = parse_date_time(now)
    assert moment is not None, now  # noqa: S101 - the system's clock has a date
    return moment


def _facts(context: Mapping[str, object]) -> tuple[dict[str, Any], frozenset[str]]:
    values = {name: _value(value, 0) for name, value in context.items()}
    return values, frozenset(_names(values))


def _value(value: Any, depth: int) -> Any:
    """A value as the language has it.

    Raises:
        UserError: It is a number that the language cannot hold, or nested deeper than it allows.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(value)
    if not isinstance(value, list | dict):
        return value
    if depth > MAX_NESTING:
        message = f"a value is nested over {MAX_NESTING} deep"
        raise UserError("feel.context", message, "give a flatter one")
    if isinstance(value, list):
        return [_value(item, depth + 1) for item in value]
    return {name: _value(item, depth + 1) for name, item in value.items()}


def _number(value: float | Decimal) -> Decimal:
    try:
        number = CONTEXT.create_decimal(
            value if isinstance(value, Decimal) else Decimal(str(value))
        )
    except (ArithmeticError, ValueError):  # Python writes no whole number of over 4,300 digits
        number = Decimal("Infinity")
    if not number.is_finite():
        message = "a number is too large, or none"
        raise UserError("feel.context", message, "numbers lie below 10 to the power of 6145")
    return number


def _names(value: Any) -> Iterator[str]:
    """Every name in a context, however deep."""
    if isinstance(value, dict):
        yield from (name for name in value if name.strip())
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
