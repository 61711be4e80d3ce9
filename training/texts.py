"""Makes texts of transactions with known categories, for training and for testing.

They are made from three lists: brands and what they sell (OpenStreetMap's name-suggestion-index),
the descriptions of merchant category codes, and this project's own phrases. Numbers, towns, added
words and cut ends make them look as banks write them. One brand in five, chosen by the digest of
its name, is kept out of training.
"""

import csv
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tuppence.bankdata.categories import by_merchant_code
from tuppence.bankdata.enrichment.brands import brand_rows, category_of_kind
from tuppence.bankdata.enrichment.enricher import Evidence
from tuppence.bankdata.enrichment.model import NONE

HERE: Final = Path(__file__).parent
SEED: Final = 20260630
DRESSINGS: Final = 8
"""Number of texts made from each phrase and brand."""


class Row(NamedTuple):
    """A text with its categories.

    Attributes:
        text: The text as a bank might write it.
        source: The brand or phrase from which it was made.
        categories: Its possible categories; NONE among them if one of them is not ours.
    """

    text: str
    source: str
    categories: frozenset[str]


def rows() -> list[Row]:
    """Return the texts to learn from, each of one category."""
    rng = random.Random(SEED)  # noqa: S311 - not a secret
    names = {row["kind"]: row["names"].split(";") for row in _table("names")}
    found: list[Row] = []
    for phrase, category in phrases():
        texts = _dressed(rng, phrase, names, owned=True)
        found += [Row(text, phrase, frozenset({category})) for text in texts]
    for row in _table("mcc_codes"):
        of_code = by_merchant_code(row["mcc"], is_payment=True)
        if of_code is not None:
            found.append(Row(row["description"], row["description"], frozenset({of_code})))
    for name, categories in _brands():
        if len(categories) == 1 and not _is_held_out(name):
            texts = _dressed(rng, name, names, owned=False)
            found += [Row(text, name, categories) for text in texts]
    for first in names["first"]:
        for last in rng.sample(names["last"], 8):
            forms = (f"{first} {last}", f"{first[0]} {last}", f"Mr {first[0]} {last}")
            found.append(Row(rng.choice(forms), f"{first} {last}", frozenset({"people"})))
    for employer in names["employer"]:
        said = [f"{employer} {word}" for word in ("salary", "wages", "payroll")]
        found += [Row(text, employer, frozenset({"income"})) for text in said]
    return found


def held_out() -> list[Row]:
    """Return texts of brands that are never learned from."""
    rng = random.Random(SEED + 1)  # noqa: S311 - not a secret
    names = {row["kind"]: row["names"].split(";") for row in _table("names")}
    return [
        Row(text, name, categories)
        for name, categories in _brands()
        if _is_held_out(name)
        for text in _dressed(rng, name, names, owned=False)
    ]


def statements() -> Iterator[tuple[Evidence, str]]:
    """Yield hand-written texts as they stand on statements, and their categories or NONE."""
    for row in _table("statements"):
        way = row["way"] == "out"
        yield Evidence(row["text"], None, row["type"], is_payment=way), row["category"]


def phrases() -> Iterator[tuple[str, str]]:
    """Yield phrases with their categories."""
    for row in _table("phrases"):
        yield from ((phrase, row["category"]) for phrase in row["phrases"].split(";"))


def _brands() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each brand once, with its categories."""
    found: dict[str, set[str]] = {}
    for name, kind in brand_rows():
        found.setdefault(name, set()).add(category_of_kind(kind) or NONE)
    yield from ((name, frozenset(categories)) for name, categories in found.items())


def _is_held_out(name: str) -> bool:
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 5 == 0


def _dressed(
    rng: random.Random, name: str, names: dict[str, list[str]], *, owned: bool
) -> Iterator[str]:
    """Yield texts that a bank might write for a name.

    Args:
        rng: Source of randomness.
        name: A brand, or a word for a trade.
        names: Names of people and places.
        owned: True for a trade, which bears the name of an owner or of a place.
    """
    yield name
    for _ in range(DRESSINGS - 1):
        words = [name]
        if owned and rng.random() < 0.7:
            kind = rng.choice(("last", "place", "word"))
            words.insert(0, rng.choice(names[kind]) + ("s" if kind == "last" else ""))
        if rng.random() < 0.3:
            words.append(f"{rng.randrange(10_000):04d}")
        if rng.random() < 0.3:
            words.append(rng.choice(names["place"]))
        if rng.random() < 0.15:
            words.append(rng.choice(("Ltd", "UK", "GB", "plc", "Limited")))
        text = " ".join(words)
        if rng.random() < 0.2:
            text = text[:18]
        yield text.upper() if rng.random() < 0.8 else text


def _table(name: str) -> list[dict[str, str]]:
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
