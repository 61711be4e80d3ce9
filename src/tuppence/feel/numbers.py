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
"""The arithmetic of decimal128; its methods never touch the caller's own decimal context."""

CONTEXT.traps[Clamped] = False
_FAR: Final = Decimal("1e34")


def whole(value: Decimal) -> int:
    """Return the number without its fraction, held to 34 digits.

    Positions, lengths and dates are far below that, and a number such as 1E+6000 would become one
    of thousands of digits.
    """
    return int(min(max(value, -_FAR), _FAR))


def number_key(value: Decimal) -> str:
    """A text that equal numbers share.

    Python's hash of a decimal is a remainder, so that a table of numbers chosen with care takes
    time with the square of their count; the hash of a text cannot be foreseen.
    """
    return str(CONTEXT.normalize(value)) if value else "0"


def number_text(value: Decimal) -> str:
    """The number as FEEL writes it: no exponent, no needless sign."""
    return format(value, "f") if value else format(abs(value), "f")
