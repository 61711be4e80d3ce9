"""Train the model that predicts categories from texts, and write it into the package.

    python -m training.categories

docs/reference/enrichment.md states its accuracy for brands that it has never seen.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from training.texts import (
    DRESSINGS,
    PARTS,
    Row,
    calibration,
    dressed_brands,
    fixed_rows,
    part_of,
    rows,
)
from tuppence.bankdata.categories import CATEGORIES, INCOMING
from tuppence.bankdata.enrichment import model as shipped
from tuppence.bankdata.enrichment.descriptors import descriptor_of
from tuppence.bankdata.enrichment.model import NONE, Model, features

Numbers = npt.NDArray[np.float64]
FEATURES: Final = 9_000
"""Number of features kept: those that weigh most."""
SOURCES: Final = 3
"""Minimum number of brands or phrases that must have a feature."""
STRENGTH: Final = 2.0
"""Inverse of the penalty on large weights."""
PRECISION: Final = 0.95
"""Minimum share of right answers of a class; other answers are withheld."""
MARGIN: Final = 0.8416
"""Quantile of the normal distribution: the share must hold with a probability of four in five."""
NONE_WEIGHT: Final = 4
"""The weight in calibration of a brand without a category.

A quarter of the brands have none, but most payees outside the list of brands have none.
"""
WRITTEN_WEIGHT: Final = 3
"""The weight in calibration of an invented text, beside one of the texts made from a brand."""


class Outcome(NamedTuple):
    """One answer in calibration.

    Attributes:
        answer: The class that was best.
        lead: Its lead over the second.
        is_right: Whether it is the true one.
        weight: Number of times that it counts.
    """

    answer: str
    lead: int
    is_right: bool
    weight: int


def train(learned: Sequence[Row]) -> Model:
    """Fit a model that does not know yet when to answer.

    A feature counts only if several brands or phrases have it, or if it is a word or a pair of
    words of a phrase; otherwise single brands would be memorised. One classifier for each class
    tells it from all others.
    """
    # it takes longer to load than all else that the tests of this module need
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    found = [set(features(descriptor_of(row.text))) for row in learned]
    sources: dict[str, set[str]] = {}
    taught: set[str] = set()
    for row, names in zip(learned, found, strict=True):
        for name in names:
            sources.setdefault(name, set()).add(row.source)
        if row.weight > 1:
            taught |= {name for name in names if name.startswith("=") or "+" in name}
    vocabulary = sorted(f for f, of in sources.items() if len(of) >= SOURCES or f in taught)
    counts = CountVectorizer(analyzer=sorted, binary=True, vocabulary=vocabulary).transform(found)
    truth = np.array([row.category for row in learned])
    weights = np.array([row.weight for row in learned], dtype=float)
    classes = sorted(set(truth.tolist()))
    fits = []
    for name in classes:
        fit = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=0)
        fits.append(fit.fit(counts, truth == name, weights))
    weight = np.stack([fit.coef_[0] for fit in fits], axis=1)
    kept = np.sort(np.argsort(-np.abs(weight).max(axis=1), kind="stable")[:FEATURES])
    hundredths = np.rint(weight[kept] * 100).astype(int).tolist()
    bias = np.rint(np.array([fit.intercept_[0] for fit in fits]) * 100).astype(int).tolist()
    named = {vocabulary[at]: tuple(row) for at, row in zip(kept, hundredths, strict=True)}
    return Model(tuple(classes), tuple(bias), named, {})


def calibrated(model: Model) -> Model:
    """Return a model that answers where the same training was right often enough.

    Each part of the brands is examined by a model that learned from the others.
    """
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in _outcomes(model):
        outcomes.setdefault(outcome.answer, []).append(outcome)
    levels = {name: levels_of(of) for name, of in sorted(outcomes.items()) if name != NONE}
    return msgspec.structs.replace(model, levels={n: found for n, found in levels.items() if found})


def levels_of(outcomes: Sequence[Outcome]) -> tuple[tuple[int, int], ...]:
    """Return from which leads on a class answers, and the precision from there on.

    The least lead is the one from which on the answers prove the wanted precision: the lower limit
    of its interval by Wilson is not below it. The texts of a brand are one observation there,
    because they are right or wrong together. The answers are split in halves and quarters, each
    with its own precision: (right + 1) / (answers + 2), because a few answers prove little.
    """
    best_first = sorted(outcomes, key=lambda one: (-one.lead, one.is_right))
    weights = np.cumsum([one.weight for one in best_first])
    right = np.cumsum([one.weight * one.is_right for one in best_first])
    is_last = [a.lead > b.lead for a, b in pairwise(best_first)] + [True]
    proven = _proven(right / DRESSINGS, weights / DRESSINGS) >= PRECISION
    places = np.flatnonzero(proven & is_last).tolist()
    found: dict[int, int] = {}
    for part in (1, 2, 4):
        at = next((n for n in places if n >= places[-1] // part), None)
        if at is None:
            break
        precision = int(100 * (right[at] + 1) / (weights[at] + 2))
        if not found or precision > max(found.values()):
            found[best_first[at].lead] = precision
    return tuple(sorted(found.items()))


def _proven(right: Numbers, answers: Numbers) -> Numbers:
    """Return the lower limits of precisions by Wilson's interval."""
    share, square = right / answers, MARGIN**2
    spread = MARGIN * np.sqrt(share * (1 - share) / answers + square / (4 * answers**2))
    limit: Numbers = (share + square / (2 * answers) - spread) / (1 + square / answers)
    return limit


def _outcomes(model: Model) -> Iterator[Outcome]:
    allowed = CATEGORIES - INCOMING - {"people"}
    fixed = fixed_rows()
    known = set(fixed)
    named = [row for row in rows() if row not in known]
    for part in range(1, PARTS):
        other = train(fixed + [row for row in named if part_of(row.source) != part])
        for row in dressed_brands(lambda one, part=part: one == part):  # type: ignore[misc]
            answer, lead = other.lead(descriptor_of(row.text), allowed)
            weight = NONE_WEIGHT if row.category == NONE else 1
            yield Outcome(answer, lead, answer == row.category, weight)
    for evidence, truth in calibration():
        ways = CATEGORIES - INCOMING if evidence.is_payment else INCOMING
        if evidence.type not in ("transfer", "standing order"):
            ways -= {"people"}
        answer, lead = model.lead(descriptor_of(evidence.text or ""), ways)
        yield Outcome(answer, lead, answer == truth, WRITTEN_WEIGHT)


def main() -> None:
    """Train, and write the model where the program looks for it."""
    learned = rows()
    print(f"learning from {len(learned):,} texts", file=sys.stderr)  # noqa: T201
    model = calibrated(train(learned))
    made = msgspec.json.encode(model)
    path = Path(shipped.__file__).parent / "model.json"
    path.write_bytes(made)
    print(f"{path}: {len(made):,} bytes", file=sys.stderr)  # noqa: T201
    print(dict(model.levels), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
