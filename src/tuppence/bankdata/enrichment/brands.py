"""Merchants by name: brands and what they sell.

`brands_gb.csv`, with brands of the United Kingdom, and `brands_abroad.csv`, with those of other
English-speaking countries, are taken from the name-suggestion-index of OpenStreetMap, whose licence
is next to them. `kinds.csv` maps its tags to categories. `merchants.csv`, with the names that
statements use for billers, is this project's own and takes precedence.

A brand's name is often the beginning of another name: `Costa` of `Costa Brava Apartments`. So a
name counts if nothing else is left but places, numbers and words that all payees use, or a word for
the brand's own trade. A word for another trade rules it out.
"""

import bisect
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from tuppence.bankdata.enrichment.descriptors import (
    Descriptor,
    descriptor_of,
    split,
    table,
    words_of,
)
from tuppence.bankdata.enrichment.trades import trades_of

BRANDS: Final = "brands_gb.csv"
BRANDS_ABROAD: Final = "brands_abroad.csv"
MERCHANTS: Final = "merchants.csv"
KINDS: Final = "kinds.csv"
_MAX_WORDS: Final = 6
_MIN_LETTERS: Final = 5
_MIN_TRUNCATED: Final = 9
_MAX_UNKNOWN_WORDS: Final = 2
_WHOLE, _OWN_TRADE, _UNKNOWN_WORDS, _TRUNCATED = 0.98, 0.97, 0.9, 0.85
_LISTED_CONFIDENCE: Final = 0.99
_TAG_CONFIDENCE: Final = 0.98
_SEVERAL_TAGS_CONFIDENCE: Final = 0.9
_FUEL_TAG: Final = "amenity/fuel"
_SUPERMARKET_TAG: Final = "shop/supermarket"
_TRANSPORT: Final = "transport"
_GROCERIES: Final = "groceries"
_BRACKETS: Final = re.compile(r"\s*\([^)]*\)")


class Match(NamedTuple):
    """A merchant that a description names.

    Attributes:
        name: The merchant's usual name.
        confidence: Confidence that it is this merchant, 0 to 1.
        category: Category of purchases there; None for merchants that sell many things.
        category_confidence: Confidence that a purchase there is of the category, 0 to 1.
    """

    name: str
    confidence: float
    category: str | None
    category_confidence: float


class _Brand(NamedTuple):
    name: str
    category: str | None
    category_confidence: float
    is_own: bool
    has_fuel: bool = False


class Brands:
    """The index of known brands.

    Attributes:
        names: The names of all merchants that descriptions can be found to name.
    """

    def __init__(self) -> None:
        self._brands = _read()
        self._keys = sorted(self._brands)
        self.names = frozenset(brand.name for brand in self._brands.values())

    def find(self, descriptor: Descriptor, *, only_billers: bool = False) -> Match | None:
        """Return the merchant that a description most likely names, or None.

        Args:
            descriptor: The description's words.
            only_billers: Whether to use the project's own list only, as for transfers, which people
                describe in words of their own.
        """
        words, lead = descriptor.words, descriptor.lead
        if descriptor.is_path_only:
            return None
        last = lead
        while last < len(words) and not descriptor.telling(last, last + 1):
            last += 1
        best: tuple[float, int, Match] | None = None
        for first in range(last + 1):
            for stop in range(first + 1, min(first + _MAX_WORDS, len(words)) + 1):
                key = "".join(words[first:stop])
                brand = self._brands.get(key)
                if brand is None or (only_billers and not brand.is_own):
                    continue
                match = _match(brand, key, stop - first, descriptor.telling(stop, len(words)))
                if match and (best is None or (match.confidence, len(key)) > best[:2]):
                    best = match.confidence, len(key), match
        if best is None:
            return None if only_billers else self._by_truncated_name(descriptor)
        return best[2]

    def _by_truncated_name(self, descriptor: Descriptor) -> Match | None:
        """Return the only brand that begins with the description, which banks may truncate."""
        key = "".join(descriptor.words[descriptor.lead :])
        if len(key) < _MIN_TRUNCATED:
            return None
        place = bisect.bisect_left(self._keys, key)
        found: dict[str, _Brand] = {}
        while place < len(self._keys) and self._keys[place].startswith(key):
            brand = self._brands[self._keys[place]]
            if not _is_whole_words(key, brand.name):
                found[brand.name] = brand
            place += 1
        if len(found) != 1:
            return None
        ((_, brand),) = found.items()
        return Match(brand.name, _TRUNCATED, brand.category, brand.category_confidence)


@functools.cache
def shipped_brands() -> Brands:
    """Read the lists that are part of this package."""
    return Brands()


def _match(brand: _Brand, key: str, words: int, rest: list[str]) -> Match | None:
    """Return the match of a description that begins with a brand's name, if it is that brand.

    The confidences are grades, not measurements.

    Args:
        brand: The brand.
        key: The letters of its name.
        words: Number of words of its name.
        rest: The words after the name that may be part of a name too.
    """
    if not rest or brand.name.casefold() in words_of("marketplace"):
        return Match(brand.name, _WHOLE, brand.category, brand.category_confidence)
    trades = trades_of(rest)
    if trades:
        if trades == {brand.category}:
            return Match(brand.name, _OWN_TRADE, brand.category, _LISTED_CONFIDENCE)
        if trades == {_TRANSPORT} and brand.has_fuel:
            return Match(f"{brand.name} Fuel", _OWN_TRADE, _TRANSPORT, _TAG_CONFIDENCE)
        if trades == {_GROCERIES} and brand.has_fuel:  # fuel, or the shop beside the pumps
            return Match(brand.name, _OWN_TRADE, None, 0)
        return None
    if len(rest) > _MAX_UNKNOWN_WORDS or len(key) < _MIN_LETTERS - brand.is_own:
        return None
    if words == 1 and (not brand.is_own or key in words_of("ordinary")):
        return None
    return Match(brand.name, _UNKNOWN_WORDS, brand.category, brand.category_confidence)


def _is_whole_words(key: str, name: str) -> bool:
    """Return whether some letters are the first words of a name, so that nothing was cut off."""
    return key in accumulate(split(name))


def brand_rows() -> Iterator[tuple[str, str]]:
    """Read the names and kinds of the lists of brands, those of the United Kingdom first."""
    for name in (BRANDS, BRANDS_ABROAD):
        yield from ((plain_name(row["name"]), row["kind"]) for row in table(name))


def plain_name(name: str) -> str:
    """Return a brand's name as people say it, without what the list has in brackets."""
    return _BRACKETS.sub("", name)


def category_of_kinds(kinds: Iterable[str]) -> tuple[str | None, float]:
    """Return the category of a brand by its tags, such as `shop/supermarket`, and how certain.

    Fuel comes before a shop, except at supermarkets. Otherwise a brand with several tags gets the
    category that is first in `kinds.csv`.
    """
    tags = set(kinds)
    if _FUEL_TAG in tags and _SUPERMARKET_TAG not in tags:
        return _TRANSPORT, _TAG_CONFIDENCE
    found = {_categories()[tag] for tag in tags if tag in _categories()}
    if not found:
        return None, 0
    return min(found, key=_precedence().__getitem__), (
        _TAG_CONFIDENCE if len(found) == 1 else _SEVERAL_TAGS_CONFIDENCE
    )


@functools.cache
def _categories() -> Mapping[str, str]:
    """Read the categories by tag, in order of precedence."""
    return {kind: row["category"] for row in table(KINDS) for kind in row["kinds"].split()}


@functools.cache
def _precedence() -> Mapping[str, int]:
    """Return the place of each category in the order of precedence."""
    return {name: n for n, name in enumerate(dict.fromkeys(_categories().values()))}


def _read() -> Mapping[str, _Brand]:
    """Read the brands by the letters of their names; the first of several of a name counts."""
    kinds: dict[str, list[str]] = {}
    for name, kind in brand_rows():
        kinds.setdefault(name, []).append(kind)
    brands: dict[str, _Brand] = {}
    for row in table(MERCHANTS):
        brand = _Brand(
            row["name"],
            row["category"] or None,
            _LISTED_CONFIDENCE,
            is_own=True,
            has_fuel=_FUEL_TAG in kinds.get(row["name"], ()),
        )
        for alias in (row["name"], *filter(None, row["aliases"].split(";"))):
            brands.setdefault(_key(alias), brand)
    for name, tags in kinds.items():
        category, confidence = category_of_kinds(tags)
        has_fuel = _FUEL_TAG in tags
        if key := _key(name):
            brands.setdefault(
                key, _Brand(name, category, confidence, is_own=False, has_fuel=has_fuel)
            )
    return brands


def _key(name: str) -> str:
    return "".join(descriptor_of(name).words)
