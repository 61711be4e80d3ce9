"""Makes texts of transactions with known categories, for training, calibration and testing.

They are made from lists: brands and what they sell (OpenStreetMap's name-suggestion-index), the
descriptions of merchant category codes, and this project's own phrases and names. One brand in
five, chosen by the digest of its name, is kept out of training and calibration.
"""

import csv
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tuppence.bankdata.categories import by_merchant_code
from tuppence.bankdata.enrichment.brands import brand_rows, category_of_kinds, plain_name
from tuppence.bankdata.enrichment.enricher import Evidence
from tuppence.bankdata.enrichment.trades import phrases

HERE: Final = Path(__file__).parent
SEED: Final = 20260630
DRESSINGS: Final = 3
"""Number of texts made from each brand to calibrate with and to test with."""
PARTS: Final = 5
"""One brand in so many is kept out of training, and one in so many is calibrated with at a time."""
PHRASE_WEIGHT: Final = 2
_CUT: Final = (18, 22, 25)
"""Lengths at which banks cut texts off."""

_UNCLEAR: Final = frozenset(
    {
        "amenity/kindergarten", "amenity/social_centre", "amenity/social_facility",
        "amenity/weighbridge", "club/scout", "healthcare/blood_donation", "healthcare/laboratory",
        "healthcare/sample_collection", "office/association", "office/financial_advisor",
        "office/government", "office/mortgage", "office/telecommunication", "office/tax_advisor",
        "office/union", "shop/baby_goods", "shop/cannabis", "shop/charity", "shop/chocolate",
        "shop/computer", "shop/confectionery", "shop/country_store", "shop/department_store",
        "shop/fabric", "shop/gift", "shop/household_linen", "shop/kiosk",
        "shop/nutrition_supplements", "shop/outdoor", "shop/pastry", "shop/rental",
        "shop/second_hand", "shop/sports", "shop/tea",
        "shop/ticket", "shop/tobacco", "shop/variety_store", "shop/wholesale",
    }
)  # fmt: skip
"""Tags of brands that may be of one of our categories or of none; they are left out."""


class Row(NamedTuple):
    """A text with its category.

    Attributes:
        text: The text as a bank might write it.
        source: The brand or phrase from which it was made.
        category: Its category; NONE if it is not ours.
        weight: Its weight in training.
    """

    text: str
    source: str
    category: str
    weight: int = 1


def rows() -> list[Row]:
    """Return the texts to learn from."""
    return fixed_rows() + [Row(n, n, c) for n, c in brands() if part_of(n) != 0]


def fixed_rows() -> list[Row]:
    """Return the texts to learn from that are not brands."""
    rng = random.Random(SEED)  # noqa: S311 - not a secret
    names = {row["kind"]: row["names"].split(";") for row in _table("names")}
    found = [Row(phrase, phrase, category, PHRASE_WEIGHT) for phrase, category in phrases()]
    for row in _table("mcc_codes"):
        of_code = by_merchant_code(row["mcc"], is_payment=True)
        found.append(Row(row["description"], row["description"], of_code or ""))
    for first in names["first"]:
        for last in rng.sample(names["last"], 8):
            forms = (f"{first} {last}", f"{first[0]} {last}", f"Mr {first[0]} {last}")
            found.append(Row(rng.choice(forms), f"{first} {last}", "people"))
    for last in names["last"]:
        said = [f"{last} {word}" for word in ("Ltd", "and Sons", "Brothers", "and Co")]
        found += [Row(text, f"surname {last}", "") for text in said]
    for employer in names["employer"]:
        said = [f"{employer} {word}" for word in ("salary", "wages", "payroll")]
        found += [Row(text, employer, "income") for text in said]
    return found


def dressed_brands(is_wanted: Callable[[int], bool]) -> list[Row]:
    """Return texts of the brands of some parts, as a bank might write them."""
    rng = random.Random(SEED + 1)  # noqa: S311 - not a secret
    places = {row["kind"]: row["names"].split(";") for row in _table("names")}["place"]
    return [
        Row(text, name, category)
        for name, category in brands()
        if is_wanted(part_of(name))
        for text in _dressed(rng, name, places)
    ]


def held_out() -> list[Row]:
    """Return texts of brands that are never learned from, nor calibrated with."""
    return dressed_brands(lambda part: part == 0)


def part_of(name: str) -> int:
    """Return the part that a brand belongs to; part 0 is kept out of training."""
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % PARTS


def calibration() -> Iterator[tuple[Evidence, str]]:
    """Yield invented texts to calibrate with, and their categories or NONE."""
    yield from _written("calibration")


def statements() -> Iterator[tuple[Evidence, str]]:
    """Yield hand-written texts as they stand on statements, and their categories or NONE."""
    yield from _written("statements")


def brands() -> Iterator[tuple[str, str]]:
    """Yield each brand once, with its category or NONE."""
    found: dict[str, set[str]] = {}
    for name, kind in brand_rows():
        found.setdefault(name, set()).add(kind)
    for row in _table("brands_world"):
        found.setdefault(plain_name(row["name"]), set()).add(row["kind"])
    for name, kinds in found.items():
        category = category_of_kinds(kinds)[0]
        if category or not kinds & _UNCLEAR:
            yield name, category or ""


def _written(name: str) -> Iterator[tuple[Evidence, str]]:
    for row in _table(name):
        is_payment = row["way"] == "out"
        yield Evidence(row["text"], None, row["type"], is_payment=is_payment), row["category"]


def _dressed(rng: random.Random, name: str, places: list[str]) -> Iterator[str]:
    """Yield texts that a bank might write for a brand."""
    yield name
    for _ in range(DRESSINGS - 1):
        words = [name]
        if rng.random() < 0.3:
            words.append(f"{rng.randrange(10_000):04d}")
        if rng.random() < 0.3:
            words.append(rng.choice(places))
        if rng.random() < 0.15:
            words.append(rng.choice(("Ltd", "UK", "GB", "plc", "Limited")))
        text = " ".join(words)
        if rng.random() < 0.25:
            text = text[: rng.choice(_CUT)]
        yield text.upper() if rng.random() < 0.8 else text


def _table(name: str) -> list[dict[str, str]]:
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
