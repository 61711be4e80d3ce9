"""Predicts a category from the words of a description: a linear model over words and their parts.

`model.json` has its weights, in hundredths. `make model` (training/categories.py) trains it and
says from which data, and how often it is right.
"""

import functools
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Final

import msgspec

from tuppence.bankdata.enrichment.descriptors import Descriptor, without_town
from tuppence.bankdata.enrichment.trades import trades_of

MODEL: Final = "model.json"
NONE: Final = ""
"""The class of descriptions that belong to no category."""
_PART_LENGTHS: Final = range(4, 9)
_MAX_WORDS: Final = 8
_FAR: Final = 100_000
"""More than the sum of all weights of a description."""


class Model(msgspec.Struct, frozen=True):
    """A trained model.

    Attributes:
        classes: Categories and NONE.
        bias: One weight per class, in hundredths.
        weights: For each feature, one weight per class, in hundredths.
        levels: For each class that it answers, the least lead over the second class from which the
            model answers, in hundredths, and the share of such answers that were right when it was
            calibrated, in hundredths: pairs in ascending order.
    """

    classes: tuple[str, ...]
    bias: tuple[int, ...]
    weights: Mapping[str, tuple[int, ...]]
    levels: Mapping[str, tuple[tuple[int, int], ...]]

    def category(self, descriptor: Descriptor, allowed: Collection[str]) -> tuple[str | None, int]:
        """Return the most likely of the allowed categories, or None, and its confidence.

        The confidence is the precision measured in calibration, in hundredths. A description
        without any known feature has no category, nor has one whose class could not be told from
        the others precisely enough.
        """
        best, ahead = self.lead(descriptor, allowed)
        levels = self.levels.get(best, ())
        at = bisect_right(levels, (ahead, 100)) - 1
        return (best, levels[at][1]) if at >= 0 else (None, 0)

    def lead(self, descriptor: Descriptor, allowed: Collection[str]) -> tuple[str, int]:
        """Return the best of the allowed classes and NONE, and its lead over the second."""
        rows = [self.weights[f] for f in features(descriptor) if f in self.weights]
        if not rows:
            return NONE, 0
        best, second = (NONE, -_FAR), -_FAR
        for name, total in zip(
            self.classes, map(sum, zip(self.bias, *rows, strict=True)), strict=True
        ):
            if name != NONE and name not in allowed:
                continue
            if total > best[1]:
                best, second = (name, total), best[1]
            elif total > second:
                second = total
        return best[0], best[1] - second


def features(descriptor: Descriptor) -> Iterator[str]:
    """Yield the features of a description.

    They are words, pairs of words, beginnings and ends of words, and the trade that it names if it
    names one only.
    """
    named = [w for w in descriptor.words[descriptor.lead :] if not any(c.isdigit() for c in w)]
    words = without_town(named)
    seen = set[str]()
    for one in words[:_MAX_WORDS]:
        seen.add(f"={one}")
        for size in _PART_LENGTHS:
            if size < len(one):
                seen.update((f"^{one[:size]}", f"{one[-size:]}$"))
    seen.update(f"{a}+{b}" for a, b in pairwise(words))
    trades = trades_of(words)
    if len(trades) == 1:
        seen.add(f"~{next(iter(trades))}")
    yield from sorted(seen)


@functools.cache
def shipped_model() -> Model:
    """Load the model that is part of this package."""
    return msgspec.json.decode((files(__package__) / MODEL).read_bytes(), type=Model)
