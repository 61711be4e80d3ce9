"""Train the model that predicts categories from texts, and write it into the package.

    python -m training.categories

docs/reference/enrichment.md states its accuracy for brands that it has never seen.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from training.texts import Row, phrases, rows
from tuppence.bankdata.enrichment import model as shipped
from tuppence.bankdata.enrichment.descriptors import descriptor_of
from tuppence.bankdata.enrichment.model import Model, features

FEATURES: Final = 6_000
"""Number of features kept: those that weigh most."""
SOURCES: Final = 3
"""Minimum number of brands or phrases that must have a feature."""
STRENGTH: Final = 1.0
"""Inverse of the penalty on large weights."""


def train(learned: Sequence[Row]) -> Model:
    """Fit a model.

    A feature counts only if several brands or phrases have it, or if it is a word of a phrase;
    otherwise single brands would be memorised. Each brand or phrase has the same weight, however
    many texts were made from it.
    """
    found = [set(features(descriptor_of(row.text))) for row in learned]
    sources: dict[str, set[str]] = {}
    for row, names in zip(learned, found, strict=True):
        for name in names:
            sources.setdefault(name, set()).add(row.source)
    of_phrases = {f for phrase, _ in phrases() for f in features(descriptor_of(phrase))}
    taught = {f for f in of_phrases if f.startswith("=") or "+" in f}
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
