"""Functions on numbers (DMN 1.5, 10.3.4.5)."""

import decimal
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tuppence.feel.diagnostics import FeelError
from tuppence.feel.library.builtin import Builtin
from tuppence.feel.numbers import CONTEXT, whole
from tuppence.feel.types import BOOLEAN, DAYS_DURATION, NUMBER, YEARS_DURATION, strip

_SCALES: Final = range(-6111, 6177)


def round_to(value: Decimal, scale: Decimal, rounding: str) -> Decimal:
    """Round a number to `scale` digits after the decimal point, without the scale's fraction."""
    digits = whole(scale)
    if digits not in _SCALES:
        raise FeelError("feel.arithmetic", f"{scale} is not a number of digits to round to")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= digits:
        return value
    context = decimal.Context(prec=7000, rounding=rounding, Emin=-9999, Emax=9999)
    return CONTEXT.plus(value.quantize(Decimal(1).scaleb(-digits, context), context=context))


def _rounder(rounding: str) -> Callable[..., Decimal]:
    return lambda value, scale=Decimal(0): round_to(value, scale, rounding)


def _modulo(dividend: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise FeelError("feel.arithmetic", "modulo by zero is undefined")
    quotient = CONTEXT.divide(dividend, divisor).to_integral_value(decimal.ROUND_FLOOR)
    return CONTEXT.subtract(dividend, CONTEXT.multiply(divisor, quotient))


def _partial(function: Callable[[Decimal], Decimal], wanted: str) -> Callable[[Decimal], Decimal]:
    def call(value: Decimal) -> Decimal:
        try:
            return function(value)
        except (InvalidOperation, decimal.DivisionByZero, decimal.Overflow):
            raise FeelError("feel.arithmetic", f"{wanted} of {value} is undefined") from None

    return call


def _absolute(value: Any) -> Any:
    return CONTEXT.abs(value) if isinstance(value, Decimal) else type(value)(abs(value[0]))


def _logarithm(value: Decimal) -> Decimal:
    if value <= 0:
        raise InvalidOperation
    return CONTEXT.ln(value)


_VALUE: Final = (("number", NUMBER),)
_N: Final = (("n", NUMBER),)
_SCALED: Final = (("n", NUMBER), ("scale", NUMBER))

FUNCTIONS: Final = (
    Builtin(
        "abs",
        _N,
        lambda kinds: strip(kinds[0]),
        _absolute,
        "Returns the number or duration without its sign.",
        others=((("n", DAYS_DURATION),), (("n", YEARS_DURATION),)),
    ),
    Builtin("ceiling", _SCALED, NUMBER, _rounder(decimal.ROUND_CEILING), "Rounds up.", required=1),
    Builtin("floor", _SCALED, NUMBER, _rounder(decimal.ROUND_FLOOR), "Rounds down.", required=1),
    Builtin(
        "decimal",
        _SCALED,
        NUMBER,
        _rounder(decimal.ROUND_HALF_EVEN),
        "Rounds to the nearest; halves go to the even neighbour.",
    ),
    Builtin("round up", _SCALED, NUMBER, _rounder(decimal.ROUND_UP), "Rounds away from zero."),
    Builtin("round down", _SCALED, NUMBER, _rounder(decimal.ROUND_DOWN), "Rounds towards zero."),
    Builtin(
        "round half up",
        _SCALED,
        NUMBER,
        _rounder(decimal.ROUND_HALF_UP),
        "Rounds to the nearest; halves go away from zero.",
    ),
    Builtin(
        "round half down",
        _SCALED,
        NUMBER,
        _rounder(decimal.ROUND_HALF_DOWN),
        "Rounds to the nearest; halves go towards zero.",
    ),
    Builtin(
        "modulo",
        (("dividend", NUMBER), ("divisor", NUMBER)),
        NUMBER,
        _modulo,
        "Returns the remainder, with the divisor's sign.",
    ),
    *(
        Builtin(name, _VALUE, NUMBER, _partial(function, wanted), doc, steps=steps)
        for name, function, wanted, doc, steps in (
            ("sqrt", CONTEXT.sqrt, "the square root", "Returns the square root.", 25),
            ("exp", CONTEXT.exp, "e to the power", "Returns e to the power of the number.", 150),
            ("log", _logarithm, "the logarithm", "Returns the natural logarithm.", 150),
        )
    ),
    Builtin(
        "odd",
        _VALUE,
        BOOLEAN,
        lambda n: CONTEXT.remainder(n, Decimal(2)) in (1, -1),
        "Returns true if the number is odd.",
    ),
    Builtin(
        "even",
        _VALUE,
        BOOLEAN,
        lambda n: CONTEXT.remainder(n, Decimal(2)) == 0,
        "Returns true if the number is even.",
    ),
)
