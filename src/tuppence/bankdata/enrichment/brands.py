"""Merchants by name: brands of the United Kingdom, and what they sell.

`brands_gb.csv` is taken from the name-suggestion-index of OpenStreetMap, whose licence stands
beside it, and `kinds.csv` says which of its tags are which category. `merchants.csv`, with the
names that statements use for billers, is this project's own and holds over it.
"""

import bisect
import functools
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tuppence.bankdata.enrichment.descriptors import Descriptor, descriptor_of, table, words_of

BRANDS: Final = "brands_gb.csv"
MERCHANTS: Final = "merchants.csv"
KINDS: Final = "kinds.csv"
_MOST_WORDS: Final = 6
_SHORT: Final = 5
_LONG: Final = 7
_CUT: Final = 9
_KNOWN: Final = 0.95
_TAGGED: Final = 0.92
_TORN: Final = 0.85


class Match(NamedTuple):
    """A merchant that a text names.

    Attributes:
        name: As people know it.
        confidence: That it is this merchant, 0 to 1.
        category: What is bought there; None where that is many things.
        of_category: How sure that is of a purchase there, 0 to 1.
    """

    name: str
    confidence: float
    category: str | None
    of_category: float


class _Brand(NamedTuple):
    name: str
    category: str | None
    of_category: float
    is_own: bool


class Brands:
    """The brands that are known."""

    def __init__(self) -> None:
        self._brands = _read()
        self._keys = sorted(self._brands)

    def find(self, descriptor: Descriptor, *, only_billers: bool = False) -> Match | None:
        """The merchant whom a text names most surely; None where it names nobody known.

        Args:
            descriptor: Of the text.
            only_billers: Whether only the project's own list counts, as for transfers, whose texts
                people write.
        """
        words = descriptor.words
        best: tuple[float, int, _Brand] | None = None
        for start in range(len(words)):
            for stop in range(start + 1, min(start + _MOST_WORDS, len(words)) + 1):
                key = "".join(words[start:stop])
                brand = self._brands.get(key)
                if brand is None or (only_billers and not brand.is_own):
                    continue
                found = _confidence(descriptor, start, stop, brand, key), len(key), brand
                if found[0] and (best is None or found[:2] > best[:2]):
                    best = found
        if best is None:
            return None if only_billers else self._cut_short(descriptor)
        confidence, _, brand = best
        return Match(brand.name, confidence, brand.category, brand.of_category)

    def _cut_short(self, descriptor: Descriptor) -> Match | None:
        """The one brand whose name begins with all of the text, which banks cut."""
        key = "".join(descriptor.words[descriptor.lead :])
        if len(key) < _CUT:
            return None
        place = bisect.bisect_left(self._keys, key)
        names = set[str]()
        while place < len(self._keys) and self._keys[place].startswith(key):
            names.add(self._brands[self._keys[place]].name)
            brand = self._brands[self._keys[place]]
            place += 1
        if len(names) != 1:
            return None
        return Match(brand.name, 0.75, brand.category, brand.of_category)


def _confidence(descriptor: Descriptor, start: int, stop: int, brand: _Brand, key: str) -> float:
    """How sure it is that the words from start to stop name a brand; 0 for not at all.

    These are grades, not measurements: a name alone, a name first, a name somewhere.
    """
    is_first = start <= descriptor.lead or not descriptor.telling(descriptor.lead, start)
    if is_first and not descriptor.telling(stop, len(descriptor.words)):
        return 0.97
    if stop - start == 1 and (
        key in words_of("ordinary") or len(key) < (_SHORT - 1 if brand.is_own else _SHORT)
    ):
        return 0
    if is_first:
        return 0.95 if stop - start > 1 else 0.85
    return 0.75 if len(key) >= _LONG else 0


def brand_rows() -> Iterator[tuple[str, str]]:
    """Names and kinds of the brands' list, a row each."""
    yield from ((row["name"], row["kind"]) for row in table(BRANDS))


def category_of_kind(kind: str) -> str | None:
    """The category of a tag such as `shop/supermarket`; None where it stands for none alone."""
    return _categories().get(kind)


@functools.cache
def _categories() -> Mapping[str, str]:
    """Categories by tag, in the order in which one holds over another."""
    return {kind: row["category"] for row in table(KINDS) for kind in row["kinds"].split()}


def _read() -> Mapping[str, _Brand]:
    """The brands by the letters of their names; of several of one name the first holds.

    Where a brand is tagged as several things, it is what stands first in `kinds.csv`: people buy
    food where there is fuel too.
    """
    order = list(dict.fromkeys(_categories().values()))
    kinds: dict[str, list[str]] = {}
    for name, kind in brand_rows():
        kinds.setdefault(name, []).append(kind)
    brands: dict[str, _Brand] = {}
    for row in table(MERCHANTS):
        brand = _Brand(row["name"], row["category"] or None, _KNOWN, is_own=True)
        for alias in (row["name"], *filter(None, row["aliases"].split(";"))):
            brands.setdefault(_key(alias), brand)
    for name, tags in kinds.items():
        found = {category for tag in tags if (category := category_of_kind(tag))}
        category = min(found, key=order.index) if found else None
        sure = _TAGGED if len(found) == 1 else _TORN
        key = _key(name.partition(" (")[0])
        if key:
            brands.setdefault(key, _Brand(name, category, sure, is_own=False))
    return brands


def _key(name: str) -> str:
    return "".join(descriptor_of(name).words)
