"""The words of a bank's description of a payment."""

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
"""Who took the payment for somebody else, whose name follows."""
_APOSTROPHES: Final = re.compile("['’`´]")
_WORD: Final = re.compile(r"\w+")


class Descriptor(NamedTuple):
    """A description of a payment.

    Attributes:
        words: All of them, in small letters, without accents and apostrophes; `&` is `and`.
        lead: How many at the beginning say how it was paid.
    """

    words: tuple[str, ...]
    lead: int

    def without(self, words: Collection[str]) -> "Descriptor":
        """The description without some words, such as the name of a brand of many things."""
        return Descriptor(tuple(word for word in self.words if word not in words), 0)

    def telling(self, start: int, stop: int) -> list[str]:
        """Words from start to stop that may be somebody's name: no numbers, places or forms."""
        return [word for word in self.words[start:stop] if is_telling(word)]


def is_telling(word: str) -> bool:
    """Whether a word may be part of a name."""
    return not (
        word in words_of("around") or word in words_of("place") or any(c.isdigit() for c in word)
    )


@functools.lru_cache(maxsize=100_000)
def descriptor_of(text: str) -> Descriptor:
    """The words of a text.

    Args:
        text: As a bank writes it, such as `CARD PAYMENT TO SQ *BEAN YARD 0042 LEEDS GB`.
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
    """Words that mean little.

    Args:
        kind: `leading`, before a name, that say how it was paid; `around` it, that do not tell one
            payee from another; `place`, large towns of the United Kingdom; `ordinary`, that are
            names of brands and words or surnames too.
    """
    return next(frozenset(row["words"].split()) for row in table(WORDS) if row["kind"] == kind)


def table(name: str) -> Iterator[dict[str, str]]:
    """The rows of one of the lists beside this module."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
