"""A category from the words of a text: a linear model over words and their parts.

`model.json` holds it: weights in hundredths, made by `make model` (training/categories.py), which
tells what it learned from and how often it is right.
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
"""The class of texts that name something else."""
_PARTS: Final = (3, 4, 5)
_MOST: Final = 8


class Model(msgspec.Struct, frozen=True):
    """A trained model.

    Attributes:
        classes: Categories, and NONE.
        bias: A weight a class, in hundredths.
        weights: For each feature a weight a class, in hundredths.
    """

    classes: tuple[str, ...]
    bias: tuple[int, ...]
    weights: Mapping[str, tuple[int, ...]]

    def category(
        self, descriptor: Descriptor, allowed: Collection[str]
    ) -> tuple[str | None, float]:
        """The likeliest of the allowed categories and its probability; None for something else.

        The probability is softmax(bias + sum of the features' weights) over the allowed classes and
        NONE. A text without any known feature has no category.
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
        share = 1 / math.fsum(math.exp(value - sums[best]) for value in sums.values())
        return (best, share) if best != NONE else (None, share)


def features(descriptor: Descriptor) -> Iterator[str]:
    """What the model looks at: the telling words, pairs of them, and their parts."""
    words = [w for w in descriptor.words[descriptor.lead :] if not any(c.isdigit() for c in w)]
    seen = set[str]()
    for one in words[:_MOST]:
        seen.add(f"={one}")
        padded = f" {one} "
        for size in _PARTS:
            seen.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    seen.update(f"{a}+{b}" for a, b in pairwise(words))
    yield from sorted(seen)


@functools.cache
def shipped_model() -> Model:
    """The model that comes with the program."""
    return msgspec.json.decode((files(__package__) / MODEL).read_bytes(), type=Model)
