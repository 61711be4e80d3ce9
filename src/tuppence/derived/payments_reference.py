"""The first step of the reference for streams: which transactions are payments, and to whom.

It follows docs/explanation/streams.md step by step, under the same headings and names, and shares
no code with the columnar form in `payees` and `groups`; `chains_reference` goes on from here. Money
is in minor units, dates are days since 1970-01-01.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from tuppence.derived.words import GENERIC_WORDS, MONTH_NAMES, REFERENCE_WORDS


class Transaction(NamedTuple):
    """The fields of a transaction that streams and forecasts depend on; None stands for null."""

    account: str
    day: int
    amount: int
    own_transfer: bool
    type: str | None
    category: str | None
    merchant: str | None
    text: str | None


class Payee(NamedTuple):
    """A merchant, or a name made from a text."""

    name: str
    is_merchant: bool


class Payment(NamedTuple):
    """A payment and its position among the transactions."""

    position: int
    account: str
    payee: Payee
    is_income: bool
    day: int
    size: int
    by_mandate: bool
    by_card: bool
    is_purchase: bool
    category: str | None


TOO_LARGE: Final = 2**52


def find_payments(transactions: Sequence[Transaction], as_of: int) -> list[Payment]:
    """Return the transactions that are payments, in their order."""
    payments = []
    for position, row in enumerate(transactions):
        payee = payee_of(row)
        if (
            row.day <= as_of
            and not row.own_transfer
            and row.type not in {"cash", "fee", "interest"}
            and 0 < abs(row.amount) < TOO_LARGE
            and payee is not None
        ):
            payments.append(
                Payment(
                    position,
                    row.account,
                    payee,
                    row.amount > 0,
                    row.day,
                    abs(row.amount),
                    row.type in {"direct debit", "standing order"},
                    row.type == "card",
                    row.type in {"card", None} and row.amount < 0,
                    row.category,
                )
            )
    return payments


# -- payees ----------------------------------------------------------------------------------------

SEPARATORS: Final = re.compile(
    r"[*#/\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
)
"""`*`, `#`, `/` and Unicode's White_Space; Python's own class of white space has four more."""
DIGITS: Final = frozenset("0123456789")


def payee_of(row: Transaction) -> Payee | None:
    """Return the merchant, or else the payee that the text names."""
    if row.merchant is not None and say_something(words_of(row.merchant)):
        return Payee(row.merchant, is_merchant=True)
    words = words_of(row.text or "")
    for chosen in (lasting_words(words), words_with_a_letter(words), words_of_a_number(words)):
        if say_something(chosen):
            return Payee(" ".join(chosen), is_merchant=False)
    return None


def words_of(text: str) -> list[str]:
    """Return the words of a text in upper case."""
    return [word for word in SEPARATORS.split(text.upper()) if word]


def say_something(words: Sequence[str]) -> bool:
    """Return whether some word is neither generic nor without letters and digits."""
    return any(
        word not in GENERIC_WORDS and any(c.isalpha() or c in DIGITS for c in word)
        for word in words
    )


def lasting_words(words: Sequence[str]) -> list[str]:
    """Return the words that do not change from payment to payment."""
    after_reference = {
        number + shift
        for number, word in enumerate(words)
        if word in REFERENCE_WORDS
        for shift in (0, 1)
    }
    return [
        word
        for number, word in enumerate(words)
        if number not in after_reference and word not in MONTH_NAMES and DIGITS.isdisjoint(word)
    ]


def words_with_a_letter(words: Sequence[str]) -> list[str]:
    """Return the words that have a letter."""
    return [word for word in words if any(c.isalpha() for c in word)]


def words_of_a_number(words: Sequence[str]) -> list[str]:
    """Return all words if they have at least six digits, else none."""
    digits = sum(c in DIGITS for word in words for c in word)
    return list(words) if digits >= 6 else []
