"""FEEL numbers: decimals of 34 digits, rounded half even (DMN 1.5, 10.3.2.3.1; IEEE 754-2008)."""

from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Final

CONTEXT: Final = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    clamp=1,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
"""The arithmetic of decimal128; its methods never use the caller's decimal context."""

CONTEXT.traps[Clamped] = False
_FAR: Final = Decimal("1e34")


def whole(value: Decimal) -> int:
    """Return the number without its fraction, limited to 34 digits.

    Positions, lengths and dates are far below that, while 1E+6000 would become an int of thousands
    of digits.
    """
    return int(min(max(value, -_FAR), _FAR))


def number_key(value: Decimal) -> str:
    """Return a text that is the same for equal numbers, to be used as a key.

    Python's hash of a Decimal is a remainder, so carefully chosen numbers collide and a table of
    them takes quadratic time. The hash of a text cannot be predicted.
    """
    return str(CONTEXT.normalize(value)) if value else "0"


def number_text(value: Decimal) -> str:
    """Return the number in the notation of FEEL, without exponent and without the sign of zero."""
    return format(value, "f") if value else format(abs(value), "f")
