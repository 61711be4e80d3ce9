"""Train the model that tells categories from texts, and ship it.

    python -m training.categories

It learns from three lists: brands and what they sell (OpenStreetMap's name-suggestion-index), the
descriptions of merchant category codes, and phrases of this project's own; dressed up as banks
dress them up: numbers, towns, cut ends, words around. One brand of five, by its name's digest, is
never learned from: `held_out` gives them for the figures in docs/reference/enrichment.md.
"""

import csv
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tuppence.bankdata.categories import by_merchant_code
from tuppence.bankdata.enrichment import model as shipped
from tuppence.bankdata.enrichment.brands import brand_rows, category_of_kind
from tuppence.bankdata.enrichment.descriptors import descriptor_of
from tuppence.bankdata.enrichment.model import NONE, Model, features

HERE: Final = Path(__file__).parent
SEED: Final = 20260630
DRESSINGS: Final = 8
"""How many texts are made of each phrase and brand."""
FEATURES: Final = 6_000
"""How many are kept: those that weigh most."""
SOURCES: Final = 3
"""Of how many brands or phrases a feature must be."""
STRENGTH: Final = 1.0
"""Of the fit: the inverse of the penalty on large weights."""


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
    for row in _table("phrases"):
        only = frozenset({row["category"]})
        for phrase in row["phrases"].split(";"):
            texts = _dressed(rng, phrase, names, owned=True)
            found += [Row(text, phrase, only) for text in texts]
    for row in _table("mcc_codes"):
        category = by_merchant_code(row["mcc"], is_payment=True)
        if category is not None:
            text = row["description"]
            found.append(Row(text, text, frozenset({category})))
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


def train(learned: Sequence[Row]) -> Model:
    """Fit a model.

    A feature counts only where several brands or phrases have it, or where it is a word of a
    phrase: what one brand alone has would be learned by heart. Each of them weighs the same,
    however many texts were made of it.
    """
    found = [set(features(descriptor_of(row.text))) for row in learned]
    sources: dict[str, set[str]] = {}
    for row, names in zip(learned, found, strict=True):
        for name in names:
            sources.setdefault(name, set()).add(row.source)
    phrases = [p for row in _table("phrases") for p in row["phrases"].split(";")]
    taught = {
        f for p in phrases for f in features(descriptor_of(p)) if f.startswith("=") or "+" in f
    }
    vocabulary = sorted(f for f, of in sources.items() if len(of) >= SOURCES or f in taught)
    vectorizer = CountVectorizer(analyzer=sorted, binary=True, vocabulary=vocabulary)
    counts = vectorizer.transform(found)
    categories = [next(iter(row.categories)) for row in learned]
    times = Counter(row.source for row in learned)
    weights = [1 / times[row.source] for row in learned]
    fit = LogisticRegression(C=STRENGTH, max_iter=500)
    weight = np.abs(fit.fit(counts, categories, weights).coef_).max(axis=0)
    kept = np.sort(np.argsort(-weight, kind="stable")[:FEATURES])
    fit.fit(counts[:, kept], categories, weights)
    hundredths = np.rint(fit.coef_.T * 100).astype(int).tolist()
    return Model(
        tuple(str(name) for name in fit.classes_),
        tuple(np.rint(fit.intercept_ * 100).astype(int).tolist()),
        {vocabulary[at]: tuple(row) for at, row in zip(kept, hundredths, strict=True)},
    )


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


def main() -> None:
    """Train, and write the model where the program looks for it."""
    learned = rows()
    print(f"learning from {len(learned):,} texts", file=sys.stderr)  # noqa: T201
    made = msgspec.json.encode(train(learned))
    path = Path(shipped.__file__).parent / "model.json"
    path.write_bytes(made)
    print(f"{path}: {len(made):,} bytes", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
