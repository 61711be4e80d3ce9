"""FEEL, the expression language of OMG DMN 1.5, for readable rules.

    >>> from tuppence.feel import evaluate
    >>> evaluate("sum(prices[item > 2])", {"prices": [1, 2, 3, 4]})
    Decimal('7')

`parse` returns the syntax tree, `check` finds errors before evaluation, and `compile_expression`
compiles an expression that is evaluated many times.
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
    """Evaluate a FEEL expression; errors inside it become null.

    Args:
        expression: FEEL text.
        context: Variables as FEEL values; int and float are converted to numbers.
        now: The value of `now()`, whose day is `today()`; by default that of the system's clock.

    Raises:
        FeelSyntaxError: The text is not FEEL.
        UserError: A value of the context is nested too deeply, or is a number out of range.
    """
    return inspect(expression, context, now).value


def inspect(
    expression: str, context: Mapping[str, object] | None = None, now: DateTime | None = None
) -> Outcome:
    """Evaluate like `evaluate`, and also return why the value or a part of it is null.

    Raises:
        FeelSyntaxError: The text is not FEEL.
        UserError: A value of the context is nested too deeply, or is a number out of range.
    """
    values, names = _facts(context or {})
    tree = parse(expression, names | BUILTINS.keys())
    return compile_expression(tree, now=now or _clock(), names=names).evaluate(values)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a text with its value in an evaluation.

    Attributes:
        span: The place in the text.
        text: The text of the part.
        value: Its FEEL value.
    """

    span: Span
    text: str
    value: Any


def trace(
    expression: str, context: Mapping[str, object] | None = None, now: DateTime | None = None
) -> tuple[Outcome, tuple[Step, ...]]:
    """Evaluate like `inspect`, and also return the value of every part that was evaluated.

    Parts are in the order of the text, larger ones before those inside them. Parts inside loops and
    filters are left out, because they have a value for each element.

    Raises:
        FeelSyntaxError: The text is not FEEL.
        UserError: A value of the context is nested too deeply, or is a number out of range.
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
    """Return whether a value passes unary tests such as `> 5, [1..3]`; None for null.

    Raises:
        FeelSyntaxError: The text is not a list of unary tests.
        UserError: A value is nested too deeply, or is a number out of range.
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
    """Convert a Python value to a FEEL value.

    Raises:
        UserError: The value is a number out of range, or nested too deeply.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(value)
    if not isinstance(value, list | dict):
        return value
    if depth > MAX_NESTING:
        message = f"a value is nested more than {MAX_NESTING} levels deep"
        raise UserError("feel.context", message, "use a flatter value")
    if isinstance(value, list):
        return [_value(item, depth + 1) for item in value]
    return {name: _value(item, depth + 1) for name, item in value.items()}


def _number(value: float | Decimal) -> Decimal:
    try:
        number = CONTEXT.create_decimal(
            value if isinstance(value, Decimal) else Decimal(str(value))
        )
    except (
        ArithmeticError,
        ValueError,
    ):  # Python does not convert an int of more than 4,300 digits
        number = Decimal("Infinity")
    if not number.is_finite():
        message = "a number is too large, or not a number"
        raise UserError(
            "feel.context", message, "numbers must be less than 10 to the power of 6145"
        )
    return number


def _names(value: Any) -> Iterator[str]:
    """Yield every name in a context, at any depth."""
    if isinstance(value, dict):
        yield from (name for name in value if name.strip())
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
