"""Merchants by name: brands of the United Kingdom and what they sell.

`brands_gb.csv` is taken from the name-suggestion-index of OpenStreetMap, whose licence is next to
it, and `kinds.csv` maps its tags to categories. `merchants.csv`, with the names that statements use
for billers, is this project's own and takes precedence.
"""

import bisect
import functools
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tuppence.bankdata.enrichment.descriptors import Descriptor, descriptor_of, table, words_of

BRANDS: Final = "brands_gb.csv"
MERCHANTS: Final = "merchants.csv"
KINDS: Final = "kinds.csv"
_MAX_WORDS: Final = 6
_MIN_SINGLE_WORD: Final = 5
_MIN_LATER_WORD: Final = 7
_MIN_TRUNCATED: Final = 9
_LISTED_CONFIDENCE: Final = 0.95
_TAG_CONFIDENCE: Final = 0.92
_SEVERAL_TAGS_CONFIDENCE: Final = 0.85


class Match(NamedTuple):
    """A merchant that a description names.

    Attributes:
        name: The merchant's usual name.
        confidence: Confidence that it is this merchant, 0 to 1.
        category: What is bought there; None for merchants that sell many things.
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


class Brands:
    """The index of known brands."""

    def __init__(self) -> None:
        self._brands = _read()
        self._keys = sorted(self._brands)

    def find(self, descriptor: Descriptor, *, only_billers: bool = False) -> Match | None:
        """Return the merchant that a description most likely names, or None.

        Args:
            descriptor: The description's words.
            only_billers: Whether to use the project's own list only, as for transfers, which people
                describe in words of their own.
        """
        words = descriptor.words
        best: tuple[float, int, _Brand] | None = None
        for start in range(len(words)):
            for stop in range(start + 1, min(start + _MAX_WORDS, len(words)) + 1):
                key = "".join(words[start:stop])
                brand = self._brands.get(key)
                if brand is None or (only_billers and not brand.is_own):
                    continue
                found = _confidence(descriptor, start, stop, brand, key), len(key), brand
                if found[0] and (best is None or found[:2] > best[:2]):
                    best = found
        if best is None:
            return None if only_billers else self._by_truncated_name(descriptor)
        confidence, _, brand = best
        return Match(brand.name, confidence, brand.category, brand.category_confidence)

    def _by_truncated_name(self, descriptor: Descriptor) -> Match | None:
        """Return the only brand that begins with the description, which banks may truncate."""
        key = "".join(descriptor.words[descriptor.lead :])
        if len(key) < _MIN_TRUNCATED:
            return None
        place = bisect.bisect_left(self._keys, key)
        names = set[str]()
        while place < len(self._keys) and self._keys[place].startswith(key):
            names.add(self._brands[self._keys[place]].name)
            brand = self._brands[self._keys[place]]
            place += 1
        if len(names) != 1:
            return None
        return Match(brand.name, 0.75, brand.category, brand.category_confidence)


def _confidence(descriptor: Descriptor, start: int, stop: int, brand: _Brand, key: str) -> float:
    """Return the confidence that the words from start to stop name a brand; 0 if they do not.

    The values are grades, not measurements: for a name alone, at the beginning, or later.
    """
    is_first = start <= descriptor.lead or not descriptor.telling(descriptor.lead, start)
    if is_first and not descriptor.telling(stop, len(descriptor.words)):
        return 0.97
    if stop - start == 1 and (
        key in words_of("ordinary")
        or len(key) < (_MIN_SINGLE_WORD - 1 if brand.is_own else _MIN_SINGLE_WORD)
    ):
        return 0
    if is_first:
        return 0.95 if stop - start > 1 else 0.85
    return 0.75 if len(key) >= _MIN_LATER_WORD else 0


def brand_rows() -> Iterator[tuple[str, str]]:
    """Read the names and kinds of the list of brands."""
    yield from ((row["name"], row["kind"]) for row in table(BRANDS))


def category_of_kind(kind: str) -> str | None:
    """Return the category of a tag such as `shop/supermarket`, or None if it has no single one."""
    return _categories().get(kind)


@functools.cache
def _categories() -> Mapping[str, str]:
    """Read the categories by tag, in order of precedence."""
    return {kind: row["category"] for row in table(KINDS) for kind in row["kinds"].split()}


@functools.cache
def merchant_names() -> frozenset[str]:
    """Return the names of all merchants that descriptions can be found to name."""
    return frozenset(brand.name for brand in _read().values())


def _read() -> Mapping[str, _Brand]:
    """Read the brands by the letters of their names; the first of several of a name counts.

    A brand with several tags gets the category that is first in `kinds.csv`, because at a
    supermarket with a filling station most people buy food.
    """
    order = list(dict.fromkeys(_categories().values()))
    kinds: dict[str, list[str]] = {}
    for name, kind in brand_rows():
        kinds.setdefault(name, []).append(kind)
    brands: dict[str, _Brand] = {}
    for row in table(MERCHANTS):
        brand = _Brand(row["name"], row["category"] or None, _LISTED_CONFIDENCE, is_own=True)
        for alias in (row["name"], *filter(None, row["aliases"].split(";"))):
            brands.setdefault(_key(alias), brand)
    for name, tags in kinds.items():
        found = {category for tag in tags if (category := category_of_kind(tag))}
        category = min(found, key=order.index) if found else None
        confidence = _TAG_CONFIDENCE if len(found) == 1 else _SEVERAL_TAGS_CONFIDENCE
        key = _key(name.partition(" (")[0])
        if key:
            brands.setdefault(key, _Brand(name, category, confidence, is_own=False))
    return brands


def _key(name: str) -> str:
    return "".join(descriptor_of(name).words)
