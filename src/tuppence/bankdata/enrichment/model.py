"""Predicts a category from the words of a description: a linear model over words and their parts.

`model.json` has its weights, in hundredths. `make model` (training/categories.py) trains it and
says from which data, and how often it is right.
"""

import functools
import math
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Final

import msgspec

from tuppence.bankdata.enrichment.descriptors import Descriptor

MODEL: Final = "model.json"
NONE: Final = ""
"""The class of descriptions that belong to no category."""
_PART_LENGTHS: Final = (3, 4, 5)
_MAX_WORDS: Final = 8


class Model(msgspec.Struct, frozen=True):
    """A trained model.

    Attributes:
        classes: Categories and NONE.
        bias: One weight per class, in hundredths.
        weights: For each feature, one weight per class, in hundredths.
    """

    classes: tuple[str, ...]
    bias: tuple[int, ...]
    weights: Mapping[str, tuple[int, ...]]

    def category(
        self, descriptor: Descriptor, allowed: Collection[str]
    ) -> tuple[str | None, float]:
        """Return the most likely of the allowed categories, or None, and its probability.

        The probability is softmax(bias + sum of the features' weights) over the allowed classes and
        NONE. A description without any known feature has no category.
        """
        rows = [self.weights[f] for f in features(descriptor) if f in self.weights]
        if not rows:
            return None, 0.0
        sums = {
            name: (bias + sum(column)) / 100
            for name, bias, column in zip(
                self.classes, self.bias, zip(*rows, strict=True), strict=True
            )
            if name == NONE or name in allowed
        }
        best = max(sums, key=sums.__getitem__)
        probability = 1 / math.fsum(math.exp(value - sums[best]) for value in sums.values())
        return (best, probability) if best != NONE else (None, probability)


def features(descriptor: Descriptor) -> Iterator[str]:
    """Yield the features of a description: its words, pairs of words, and parts of words."""
    words = [w for w in descriptor.words[descriptor.lead :] if not any(c.isdigit() for c in w)]
    seen = set[str]()
    for one in words[:_MAX_WORDS]:
        seen.add(f"={one}")
        padded = f" {one} "
        for size in _PART_LENGTHS:
            seen.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    seen.update(f"{a}+{b}" for a, b in pairwise(words))
    yield from sorted(seen)


@functools.cache
def shipped_model() -> Model:
    """Load the model that is part of this package."""
    return msgspec.json.decode((files(__package__) / MODEL).read_bytes(), type=Model)
