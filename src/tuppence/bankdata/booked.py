"""Rows of booked transactions, in the units of a store."""

import re
from datetime import date
from typing import Any, Final

from tuppence.bankdata.records import Booking, InvalidItem, Money, time_of
from tuppence.cards import holds_card

EPOCH: Final = date(1970, 1, 1)
_AMOUNT: Final = re.compile(r"(-?)(\d{1,13})(?:\.(\d{1,6}))?")
BANK_MERCHANT_CONFIDENCE: Final = 90
"""Confidence in the bank's name for a merchant, in hundredths."""


def row_of(
    booking: Booking, currency: str, digits: int, balance: Money | None, today: date
) -> dict[str, Any]:
    """Return the row of a transaction.

    Raises:
        InvalidItem: The booking is in another currency, has too many digits, or is in the future.
    """
    day = time_of(booking.moment).date()
    if day > today:
        raise InvalidItem(f"it is booked in the future: {booking.moment}")
    if booking.amount.currency != currency:
        raise InvalidItem(f"{booking.amount.currency} where the customer's money is {currency}")
    after, foreign = booking.balance or balance, booking.foreign_currency
    return {
        "account": booking.account,
        "booking date": (day - EPOCH).days,
        "amount": minor_units(booking.amount, digits),
        "category": booking.category,
        "category confidence": booking.category_confidence if booking.category else None,
        "merchant": (merchant := plain_text(booking.merchant)),
        "merchant confidence": BANK_MERCHANT_CONFIDENCE if merchant else None,
        "type": booking.type,
        "text": plain_text(booking.text),
        "country": booking.country,
        "foreign currency": foreign if foreign != currency else None,
        "own transfer": False,
        "balance": minor_units(after, digits) if after and after.currency == currency else None,
    }


def minor_units(money: Money, digits: int) -> int:
    """Return the amount in minor units, exactly.

    Raises:
        InvalidItem: It is not a number of minor units, or it may be a card number.
    """
    found = _AMOUNT.fullmatch(money.text)
    if found is None:
        raise InvalidItem(f"{money.text!r} is not an amount")
    sign, whole, fraction = found[1], found[2], (found[3] or "").rstrip("0")
    if len(fraction) > digits:
        raise InvalidItem(f"{money.text} has too many digits after the point for {money.currency}")
    value = int(whole + fraction.ljust(digits, "0"))
    if holds_card(str(value)) or holds_card(whole + fraction):
        raise InvalidItem("the amount may be the number of a card")
    return -value if sign else value


def plain_text(text: str | None) -> str | None:
    """Return a text without surrounding blanks; None if nothing is left."""
    return (text or "").strip() or None
