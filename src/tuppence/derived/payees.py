"""The payees of transactions: merchants, and names made from texts.

docs/explanation/streams.md has the exact rules, `payments_reference` follows them in plain Python.
"""

import functools
import re
from typing import Final, NamedTuple

import numpy as np

from tuppence.derived.words import GENERIC_WORDS, MONTH_NAMES, REFERENCE_WORDS
from tuppence.facts.batch import Array, Column

MAX_REMEMBERED: Final = 65_536
"""Number of texts whose payees are remembered from batch to batch."""
_MIN_DIGITS: Final = 6
"""Minimum number of digits of a number that stands for a payee."""
_BREAK: Final = re.compile("[*#/\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
"""Separators of words; the white space is that of Unicode, as opposed to Python's."""
_DIGIT: Final = re.compile("[0-9]")


class Payees(NamedTuple):
    """The payees of a batch.

    Attributes:
        names: Names by number; the first stands for no payee, then come merchants by their code.
        of_merchant: Number of the payee by the code of a merchant, 0 for none.
        of_text: Number of the payee by the code of a text, 0 for none.
    """

    names: tuple[str | None, ...]
    of_merchant: Array
    of_text: Array


def find_payees(merchant: Column, text: Column) -> Payees:
    """Return the payees of the rows of two columns."""
    names: list[str | None] = [*merchant.dictionary]
    of_merchant = np.array(
        [0 if name is None or _is_empty(name) else code for code, name in enumerate(names)],
        np.int64,
    )
    of_text = np.zeros(len(text.dictionary), np.int64)
    used = np.zeros(len(text.dictionary), np.bool_)
    used[text.values[of_merchant[merchant.values] == 0]] = True
    numbers: dict[str, int] = {}
    for code in np.flatnonzero(used).tolist():
        name = payee_of_text(text.dictionary[code] or "")
        if name is not None:
            of_text[code] = numbers.setdefault(name, len(names) + len(numbers))
    return Payees((*names, *numbers), of_merchant, of_text)


@functools.lru_cache(MAX_REMEMBERED)
def _is_empty(merchant: str) -> bool:
    """Return whether the name of a merchant says nothing."""
    return not _names(_BREAK.split(merchant.upper()))


@functools.lru_cache(MAX_REMEMBERED)
def payee_of_text(text: str) -> str | None:
    """Return the payee that a text names, None for none."""
    words = [word for word in _BREAK.split(text.upper()) if word]
    kept: list[str] = []
    skip = False
    for word in words:
        if word in REFERENCE_WORDS:
            skip = True
            continue
        if not skip and word not in MONTH_NAMES and not _DIGIT.search(word):
            kept.append(word)
        skip = False
    if not _names(kept):
        kept = [word for word in words if any(map(str.isalpha, word))]
    if not _names(kept):
        kept = words if len(_DIGIT.findall(text)) >= _MIN_DIGITS else []
    return " ".join(kept) if _names(kept) else None


def _names(words: list[str]) -> bool:
    """Return whether words say who is paid."""
    return any(
        word not in GENERIC_WORDS and (any(map(str.isalpha, word)) or _DIGIT.search(word))
        for word in words
    )
