"""Card numbers are masked before anything is kept: nobody needs them, and many would like them."""

import re
from typing import Final

import polars as pl

CANDIDATE: Final = r"\d(?:[ -]?\d){12,18}"
"""13 to 19 digits, with a blank or a hyphen between some of them: the lengths of ISO/IEC 7812."""
_CANDIDATE: Final = re.compile(rf"(?<!\d){CANDIDATE}(?!\d)")
SHOWN: Final = 4
"""Digits at the end that stay, so that a person knows which card it was."""


def masked(text: str) -> str:
    """The text with a star for each digit of a card number but the last four."""
    return _CANDIDATE.sub(lambda found: _hidden(found[0]), text)


def masked_texts(texts: pl.Series) -> pl.Series:
    """A column of texts, masked; only those that could have such a number are looked into."""
    suspects = texts.str.contains(CANDIDATE).fill_null(value=False).arg_true()
    if not len(suspects):
        return texts
    return texts.scatter(suspects, [masked(text) for text in texts[suspects]])


def _hidden(number: str) -> str:
    digits = [int(sign) for sign in number if sign.isdigit()]
    if not _is_card(digits):
        return number
    left = len(digits) - SHOWN
    signs = []
    for sign in number:
        signs.append("*" if sign.isdigit() and left > 0 else sign)
        left -= sign.isdigit()
    return "".join(signs)


def _is_card(digits: list[int]) -> bool:
    """Whether the last digit is the check digit of the others, by Luhn: ISO/IEC 7812-1, annex B."""
    doubled = [2 * d - 9 * (d > 4) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits)
