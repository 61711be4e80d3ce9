"""Categories that follow from the codes of banks and payment schemes.

A code that stands for several of our categories gives none, because a rule that stays silent is
better than one that is wrong.
"""

from collections.abc import Mapping
from typing import Final

MERCHANT_CODE_CONFIDENCE: Final = 95
"""Confidence in a merchant category code, in hundredths."""
GAMBLING: Final = "gambling"
INCOME: Final = "income"
REFUND: Final = "refund"
INCOMING: Final = frozenset({INCOME, "benefits", "interest", REFUND})
"""Categories of incoming money."""
CATEGORIES: Final = INCOMING | frozenset(
    {
        "alcohol", "bank fee", "broadband", "cash", "charity", "clothing", "council tax",
        "eating out", "education", "energy", "entertainment", GAMBLING, "groceries", "health",
        "household", "housing", "insurance", "mobile", "people", "personal care", "savings",
        "subscriptions", "transport", "travel", "water",
    }
)  # fmt: skip
"""All categories of transactions; a mapping may add others."""

ACCOUNT_TYPES: Final = ("current", "savings", "credit card", "loan")
TRANSACTION_TYPES: Final = (
    "card", "cash", "direct debit", "fee", "interest", "salary", "standing order", "transfer",
)  # fmt: skip
"""Ways of paying, in the words that rules and the search for streams use."""

_MERCHANT_CODES: Final[Mapping[str, tuple[int | range, ...]]] = {
    "groceries": (5411, 5422, 5451, 5462, 5499),
    "eating out": (5812, 5813, 5814),
    "transport": (4111, 4112, 4121, 4131, 4784, 5541, 5542, 5552, 7523),
    "travel": (range(3000, 4000), 4411, 4511, 4722, 7011, 7512),
    "entertainment": (7832, 7922, 7933, 7991, 7996, 7998),
    "clothing": (5611, 5621, 5631, 5641, 5651, 5655, 5661, 5681, 5691, 5699),
    "household": (5200, 5211, 5251, 5261, 5712, 5713, 5714, 5719, 5722),
    "personal care": (5977, 7230, 7298),
    "alcohol": (5921,),
    "health": (5912, 5976, 8011, 8021, 8042, 8043, 8062),
    "education": (8211, 8220, 8241, 8244, 8249, 8299),
    GAMBLING: (7800, 7801, 7802, 7995),
    "insurance": (6300,),
    "charity": (8398,),
    "subscriptions": (4899, 5968),
}
"""Merchant category codes, ISO 18245; 3000 to 3999 are airlines, car rentals and hotels by name."""


def by_merchant_code(code: str | None, *, is_payment: bool) -> str | None:
    """Return the category for a merchant's code, or None if the code does not determine one.

    Args:
        code: Four digits of ISO 18245.
        is_payment: Whether money went out.
    """
    if code is None or not (code.isascii() and code.isdigit()):
        return None
    number = int(code)
    for category, codes in _MERCHANT_CODES.items():
        if any(number == one if isinstance(one, int) else number in one for one in codes):
            return for_direction(category, is_payment=is_payment)
    return None


def for_direction(category: str, *, is_payment: bool) -> str | None:
    """Adjust a category of payments to the direction of the money.

    Money that comes back is a refund, except from gambling, where it may be a prize.

    Args:
        category: Category of a payment.
        is_payment: Whether money went out.

    Returns:
        The category; `REFUND` or, for gambling, None if money came in.
    """
    if is_payment:
        return category
    return None if category == GAMBLING else REFUND
