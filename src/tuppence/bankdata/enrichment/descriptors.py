"""Splits a bank's description of a payment into words."""

import csv
import functools
import re
import unicodedata
from collections.abc import Collection, Iterator
from importlib.resources import files
from typing import Final, NamedTuple

WORDS: Final = "words.csv"
_PROCESSORS: Final = re.compile(
    r"\b(?:paypal|pp|sq|sumup|zettle|izettle|iz|sp|tst|wpy|crv|gc|google)[_ ]*\*\s*", re.IGNORECASE
)
"""Prefixes of payment processors; the merchant's name follows."""
_APOSTROPHES: Final = re.compile("['’`´]")
_WORD: Final = re.compile(r"\w+")


class Descriptor(NamedTuple):
    """The words of a description of a payment.

    Attributes:
        words: All words, in small letters, without accents and apostrophes; `&` is `and`.
        lead: Number of words at the beginning that say how it was paid.
    """

    words: tuple[str, ...]
    lead: int

    def without(self, words: Collection[str]) -> "Descriptor":
        """Return the description without some words, such as the name of a brand."""
        return Descriptor(tuple(word for word in self.words if word not in words), 0)

    def telling(self, start: int, stop: int) -> list[str]:
        """Return the words from start to stop that may be part of a name."""
        return [word for word in self.words[start:stop] if is_telling(word)]


def is_telling(word: str) -> bool:
    """Return whether a word may be part of a name: not a number, a place or a common word."""
    return not (
        word in words_of("around") or word in words_of("place") or any(c.isdigit() for c in word)
    )


@functools.lru_cache(maxsize=100_000)
def descriptor_of(text: str) -> Descriptor:
    """Split a description into words.

    Args:
        text: A bank's description, such as `CARD PAYMENT TO SQ *BEAN YARD 0042 LEEDS GB`.
    """
    plain = _PROCESSORS.sub(" ", text)
    folded = unicodedata.normalize("NFKD", plain).casefold()
    letters = "".join(c for c in folded if not unicodedata.combining(c)).replace("&", " and ")
    words = tuple(_WORD.findall(_APOSTROPHES.sub("", letters).replace("_", " ")))
    lead = 0
    while lead < len(words) and words[lead] in words_of("leading"):
        lead += 1
    return Descriptor(words, lead)


@functools.cache
def words_of(kind: str) -> frozenset[str]:
    """Read a list of words that need special care.

    Args:
        kind: `leading`: words before a name that say how it was paid; `around`: words that do not
            distinguish payees; `place`: large towns of the United Kingdom; `ordinary`: names of
            brands that are also ordinary words or surnames.
    """
    return next(frozenset(row["words"].split()) for row in table(WORDS) if row["kind"] == kind)


def table(name: str) -> Iterator[dict[str, str]]:
    """Read the rows of one of the lists in this package."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
