"""Splits a bank's description of a payment into words."""

import bisect
import csv
import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

from tuppence.derived.words import REFERENCE_WORDS

WORDS: Final = "words.csv"
PLACES: Final = "places.txt"
_PROCESSORS: Final = re.compile(
    r"\b(?:sq|sumup|zettle|izettle|iz|sp|tst|wpy|crv|gc|google|lsp|fsp|dna|str|ckoc?|fs)[_ ]*\*\s*",
    re.IGNORECASE,
)
"""Prefixes of payment processors; the merchant's name follows."""
_PAYPAL: Final = re.compile(r"\b(?:paypal|pp)[_ ]*\*\s*", re.IGNORECASE)
_PATHS: Final = frozenset(
    {("apple", "pay"), ("google", "pay"), ("samsung", "pay"), ("garmin", "pay"), ("gpay",),
     ("applepay",), ("googlepay",), ("sumup",), ("zettle",), ("izettle",), ("curve",)}
)  # fmt: skip
"""Wallets and processors by name, in front of the merchant's."""
_STREETS: Final = frozenset({"st", "street", "rd", "road", "ave", "avenue", "lane", "sq", "square"})
_APOSTROPHES: Final = re.compile("['’`´]")
_WORD: Final = re.compile(r"\w+")
_MAX_PLACE_WORDS: Final = 4
_MIN_TRUNCATED_PLACE: Final = 5
_MIN_TRUNCATED_TEXT: Final = 14
"""Number of letters of a description from which on it may well have been cut short."""
_REFERENCE: Final = re.compile(r"(?!\d*[^\W\d]{5,}\d*$).*\d.*")
"""A word with digits that is no name followed by a number."""


class Descriptor(NamedTuple):
    """The words of a description of a payment.

    Attributes:
        words: All words, in small letters, without accents and apostrophes; `&` is `and`.
        lead: Number of words at the beginning that say how it was paid.
        by_paypal: Whether it was paid through PayPal, whose payees are often private sellers.
    """

    words: tuple[str, ...]
    lead: int
    by_paypal: bool = False

    @property
    def is_path_only(self) -> bool:
        """True if the words name a wallet and nobody who was paid."""
        return self.words[self.lead :] in _PATHS

    @property
    def is_withdrawal(self) -> bool:
        """True if the words say that cash was withdrawn from a machine."""
        first, *rest = self.words[self.lead :] or ("",)
        return first in words_of("cash machine") or (
            first == "cash" and rest[:1] != [] and rest[0] in words_of("after cash")
        )

    def telling(self, start: int, stop: int) -> list[str]:
        """Return the words from start to stop that may be part of a name; places are not."""
        found: list[str] = []
        at = start
        while at < stop:
            length = _place_length(self.words, at, stop)
            if not length and is_telling(self.words[at]):
                found.append(self.words[at])
            at += length or 1
        return found

    def payee(self) -> str:
        """Return the payee's name as the words have it, without numbers and the town at the end."""
        return " ".join(
            without_town([word for word in self.words[self.lead :] if is_telling(word)])
        )


def without_town(words: Sequence[str]) -> Sequence[str]:
    """Return words without the town that they end with, if other words come before it."""
    for start in range(1, len(words)):
        if " ".join(words[start:]) in _places()[0]:
            return words[:start]
    return words


def is_telling(word: str) -> bool:
    """Return whether a word may be part of a name: not a number or a common word."""
    return not (word in words_of("around") or _REFERENCE.fullmatch(word))


@functools.lru_cache(maxsize=100_000)
def descriptor_of(text: str) -> Descriptor:
    """Split a description into words.

    Args:
        text: A bank's description, such as `CARD PAYMENT TO SQ *BEAN YARD 0042 LEEDS GB`.
    """
    plain = _PROCESSORS.sub(" ", text)
    without = _PAYPAL.sub(" ", plain)
    words = _without_references(split(without))
    lead = _leading(words, 0)
    by_paypal = without != plain
    if words[lead : lead + 1] == ("paypal",) and len(words) > lead + 1:
        by_paypal, lead = True, lead + 1
    for length in (1, 2):
        if words[lead : lead + length] in _PATHS and len(words) > lead + length:
            lead = _leading(words, lead + length)
            break
    return Descriptor(words, lead, by_paypal)


def _without_references(words: Sequence[str]) -> tuple[str, ...]:
    """Return words without references, which change from payment to payment."""
    after = ("", *words)
    return tuple(
        word
        for before, word in zip(after, words, strict=False)
        if not {before.upper(), word.upper()} & REFERENCE_WORDS
    )


def split(text: str) -> tuple[str, ...]:
    """Return the words of a text, in small letters, without accents and apostrophes."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in folded if not unicodedata.combining(c)).replace("&", " and ")
    return tuple(_WORD.findall(_APOSTROPHES.sub("", letters).replace("_", " ")))


def _leading(words: Sequence[str], lead: int) -> int:
    while lead < len(words) and words[lead] in words_of("leading"):
        lead += 1
    return lead


def _place_length(words: Sequence[str], at: int, stop: int) -> int:
    """Return the number of words from a position on that name a place; 0 if they do not.

    The last word may be cut short.
    """
    known, ordered = _places()
    for length in range(min(_MAX_PLACE_WORDS, stop - at), 0, -1):
        name = " ".join(words[at : at + length])
        if name in known:
            is_street = at + length < stop and words[at + length] in _STREETS
            return length + is_street
        is_long = sum(map(len, words)) >= _MIN_TRUNCATED_TEXT
        if at + length == len(words) and len(name) >= _MIN_TRUNCATED_PLACE + (not is_long):
            place = bisect.bisect_left(ordered, name)
            if place < len(ordered) and ordered[place].startswith(name):
                return length
    return 0


@functools.cache
def _places() -> tuple[frozenset[str], tuple[str, ...]]:
    """Read the names of places, as a set and in order."""
    names = tuple(sorted((files(__package__) / PLACES).read_text(encoding="utf-8").split("\n")))
    return frozenset(names) - {""}, names


@functools.cache
def words_of(kind: str) -> frozenset[str]:
    """Read a list of words that need special care.

    Args:
        kind: `leading`: words before a name that say how it was paid; `around`: words that do not
            distinguish payees; `ordinary`: names of brands that are also ordinary words or
            surnames; `own money`: words for savings, loans and the repayment of cards; `cash
            machine`: words that begin a withdrawal; `after cash`: words that do so after `cash`;
            `marketplace`: merchants that sell for others.
    """
    return next(frozenset(row["words"].split()) for row in table(WORDS) if row["kind"] == kind)


def table(name: str) -> Iterator[dict[str, str]]:
    """Read the rows of one of the lists in this package."""
    text = (files(__package__) / name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
