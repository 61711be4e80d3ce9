"""The operators of FEEL (DMN 1.5, 10.3.2.3 and tables 50 to 58)."""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from tuppence.feel.budget import COMPARISON_STEPS, Budget, comparison_steps, extent, nest, short
from tuppence.feel.diagnostics import FeelError
from tuppence.feel.equality import equal, instants
from tuppence.feel.numbers import CONTEXT, whole
from tuppence.feel.values import (
    DAY_NANOSECONDS,
    Date,
    DateTime,
    DaysDuration,
    Range,
    Time,
    YearsDuration,
    add_months,
    date_time,
    is_near,
    shifted,
    type_name,
)

ORDERED: Final = frozenset({Decimal, str, Date, DaysDuration, YearsDuration})
ORDERINGS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_POWER_STEPS: Final = 300
_MAX_FAST_POWER: Final = 100
_TEMPORAL_STEPS: Final = 20
_NUMERIC: Final[Mapping[str, Callable[[Decimal, Decimal], Decimal]]] = {
    "+": CONTEXT.add,
    "-": CONTEXT.subtract,
    "*": CONTEXT.multiply,
    "/": CONTEXT.divide,
    "**": CONTEXT.power,
}


def compare(symbol: str, left: Any, right: Any, budget: Budget) -> bool:
    """Compute `left symbol right` for one of the six comparisons.

    Raises:
        FeelError: The values are of different types, or of a type that has no order.
        OutOfBudget: The comparison takes more steps than are left.
    """
    if symbol in {"=", "!="}:
        same = equal(left, right, budget)
        if same is None:
            raise _incomparable(symbol, left, right)
        return same if symbol == "=" else not same
    if type(left) is type(right):
        if type(left) in ORDERED:
            budget.spend(comparison_steps(left))
            return bool(ORDERINGS[symbol](left, right))
        if isinstance(left, Time | DateTime):
            a, b = instants(left, right)
            if a is not None and b is not None:
                return bool(ORDERINGS[symbol](a, b))
    raise _incomparable(symbol, left, right)


def _incomparable(symbol: str, left: Any, right: Any) -> FeelError:
    if left is None or right is None:
        side = "left" if left is None else "right"
        return FeelError("feel.null-operand", f"the {side} side of {symbol} is null")
    kinds = f"{type_name(left)} and {type_name(right)}"
    return FeelError("feel.operand-type", f"{kinds} cannot be compared with {symbol}")


def arithmetic(symbol: str, left: Any, right: Any, budget: Budget) -> Any:
    """Compute `left symbol right` for + - * / **.

    Raises:
        FeelError: The operator is not defined for such values, or the result is undefined.
    """
    if type(left) is Decimal and type(right) is Decimal:
        if symbol == "**":
            small = right == right.to_integral_value() and abs(right) <= _MAX_FAST_POWER
            budget.spend(0 if small else _POWER_STEPS)
        return _number(symbol, left, right)
    if left is None or right is None:
        side = "left" if left is None else "right"
        raise FeelError("feel.null-operand", f"the {side} side of {symbol} is null")
    if type(left) is str and type(right) is str and symbol == "+":
        short(len(left) + len(right))
        budget.spend(extent(left) + extent(right))
        return left + right
    budget.spend(_TEMPORAL_STEPS)
    result = _temporal(symbol, left, right)
    if result is None:
        kinds = f"{type_name(left)} and {type_name(right)}"
        raise FeelError("feel.operand-type", f"{symbol} is not defined between {kinds}")
    if not is_near(result):
        raise FeelError("feel.arithmetic", f"this {symbol} leads too far into the past or future")
    return result


def _number(symbol: str, left: Decimal, right: Decimal) -> Decimal:
    try:
        return _NUMERIC[symbol](left, right)
    except DivisionByZero:
        raise FeelError("feel.arithmetic", "division by zero is undefined") from None
    except (InvalidOperation, Overflow):
        raise FeelError("feel.arithmetic", f"this {symbol} has no number as its result") from None


def _temporal(symbol: str, left: Any, right: Any) -> Any:
    """Compute with dates and durations by tables 56 to 58; return None if undefined."""
    match symbol, left, right:
        case "+" | "-", Date() | Time() | DateTime(), DaysDuration() | YearsDuration():
            return _moved(left, right if symbol == "+" else negate(right))
        case "+", DaysDuration() | YearsDuration(), Date() | Time() | DateTime():
            return _moved(right, left)
        case "-", Time(), Time():
            a, b = instants(left, right)
            return None if a is None or b is None else DaysDuration(a - b)
        case "-", Date(), Date():
            return DaysDuration((left.day - right.day) * DAY_NANOSECONDS)
        case "-", Date() | DateTime(), Date() | DateTime():
            a, b = instants(_at_midnight(left), _at_midnight(right))
            return None if a is None or b is None else DaysDuration(a - b)
        case _, (DaysDuration() | YearsDuration()) as duration, Decimal():
            return _scale(symbol, duration, right)
        case "*", Decimal(), DaysDuration() | YearsDuration():
            return _scale("*", right, left)
        case _, DaysDuration(), DaysDuration():
            return _durations(symbol, DaysDuration, left.nanoseconds, right.nanoseconds)
        case _, YearsDuration(), YearsDuration():
            return _durations(symbol, YearsDuration, left.months, right.months)
    return None


def _moved(value: Any, by: DaysDuration | YearsDuration) -> Any:
    """Add a duration to a date, a time, or both; return None if undefined."""
    if isinstance(by, YearsDuration):
        if isinstance(value, Date):
            return add_months(value, by.months)
        if isinstance(value, DateTime):
            day = add_months(value.date, by.months).day
            return date_time(day, value.nanosecond, value.offset, value.zone)
        return None
    if isinstance(value, Date):
        return Date((value.day * DAY_NANOSECONDS + by.nanoseconds) // DAY_NANOSECONDS)
    if isinstance(value, Time):
        return value._replace(nanosecond=(value.nanosecond + by.nanoseconds) % DAY_NANOSECONDS)
    return shifted(value, by.nanoseconds)


def _at_midnight(value: Date | DateTime) -> DateTime:
    """Convert a date to its start in UTC (DMN 1.5, 10.3.2.3.6)."""
    return DateTime(value.day, 0, 0) if isinstance(value, Date) else value


def _scale(symbol: str, duration: DaysDuration | YearsDuration, factor: Decimal) -> Any:
    if symbol not in {"*", "/"}:
        return None
    return type(duration)(whole(_number(symbol, Decimal(duration[0]), factor)))


def _durations(symbol: str, kind: Callable[[int], Any], left: int, right: int) -> Any:
    if symbol == "/":
        return _number("/", Decimal(left), Decimal(right))
    if symbol in {"+", "-"}:
        return kind(left + right if symbol == "+" else left - right)
    return None


def negate(value: Any) -> Any:
    """Compute `-value`.

    Raises:
        FeelError: The value is neither a number nor a duration.
    """
    if type(value) is Decimal:
        return CONTEXT.minus(value)
    if isinstance(value, DaysDuration | YearsDuration):
        return type(value)(-value[0])
    raise FeelError("feel.operand-type", f"- is not defined for {type_name(value)}")


def passes(value: Any, test: Any, budget: Budget, depth: int = 0) -> bool | None:
    """Compute `value in test`, where test is a range, a list of tests, or a value to equal."""
    budget.spend(2 * COMPARISON_STEPS)
    if isinstance(test, Range):
        return in_range(value, test, budget)
    if isinstance(test, list):
        nest(depth)
        budget.spend(4 * COMPARISON_STEPS)
        same = equal(value, test, budget) is True
        return same or any(passes(value, item, budget, depth + 1) is True for item in test)
    return equal(value, test, budget)


def in_range(value: Any, interval: Range, budget: Budget) -> bool | None:
    """Return whether a value is in an interval, or None if it cannot be compared with the ends."""
    low, high = interval.low, interval.high
    if interval.unary and low is not None and high is not None:
        return equal(value, low, budget)
    if not interval.unary and (low is None or high is None):
        return None
    try:
        above = low is None or compare(">=" if interval.low_closed else ">", value, low, budget)
        below = high is None or compare("<=" if interval.high_closed else "<", value, high, budget)
    except FeelError:
        return None
    return above and below
