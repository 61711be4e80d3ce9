"""Texts of transactions whose categories are known: to learn from, and to be examined on.

They are made of three lists: brands and what they sell (OpenStreetMap's name-suggestion-index), the
descriptions of merchant category codes, and phrases of this project's own; dressed up as banks
dress them up: numbers, towns, cut ends, words around. One brand of five, by its name's digest, is
never learned from.
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
"""How many texts are made of each phrase and brand."""


class Row(NamedTuple):
    """A text.

    Attributes:
        text: As a bank might write it.
        source: The brand or phrase that it was made of.
        categories: What it may be for; NONE among them where that is none of ours.
    """

    text: str
    source: str
    categories: frozenset[str]


def rows() -> list[Row]:
    """What is learned from: texts of one category each."""
    rng = random.Random(SEED)  # noqa: S311 - dressing, no secret
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
    """Texts of brands that are never learned from."""
    rng = random.Random(SEED + 1)  # noqa: S311 - dressing, no secret
    names = {row["kind"]: row["names"].split(";") for row in _table("names")}
    return [
        Row(text, name, categories)
        for name, categories in _brands()
        if _is_held_out(name)
        for text in _dressed(rng, name, names, owned=False)
    ]


def statements() -> Iterator[tuple[Evidence, str]]:
    """Texts as they stand on statements, written by hand, and their categories; NONE for none."""
    for row in _table("statements"):
        way = row["way"] == "out"
        yield Evidence(row["text"], None, row["type"], is_payment=way), row["category"]


def phrases() -> Iterator[tuple[str, str]]:
    """Phrases and their categories."""
    for row in _table("phrases"):
        yield from ((phrase, row["category"]) for phrase in row["phrases"].split(";"))


def _brands() -> Iterator[tuple[str, frozenset[str]]]:
    """Each brand once, with its categories."""
    found: dict[str, set[str]] = {}
    for name, kind in brand_rows():
        found.setdefault(name, set()).add(category_of_kind(kind) or NONE)
    yield from ((name, frozenset(categories)) for name, categories in found.items())


def _is_held_out(name: str) -> bool:
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 5 == 0


def _dressed(
    rng: random.Random, name: str, names: dict[str, list[str]], *, owned: bool
) -> Iterator[str]:
    """Texts that a bank might write of a name.

    Args:
        rng: Chance.
        name: A brand, or a word for a trade.
        names: Of people and places.
        owned: Whether it is a trade, which bears the name of an owner or of a place.
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
