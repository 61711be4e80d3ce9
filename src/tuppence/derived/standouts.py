"""The amounts that stand out among earlier ones, for whole batches.

docs/explanation/insights-from-data.md has the exact rules, `standouts_reference` follows them in
plain Python.
"""

from typing import Any, Final

import numpy as np

from tuppence.compiled import part_of_loops, sort
from tuppence.facts.batch import Array, FactBatch
from tuppence.facts.currency import NOTICEABLE, minor_digits

MIN_EARLIER: Final = 12
"""Minimum number of earlier amounts that show what is usual."""
TOO_LARGE: Final = 2**30
"""Minor units from which amounts are left out, so that products fit 64 bits."""


def noticeable_differences(batch: FactBatch) -> Array:
    """Return the noticeable difference for each customer, in minor units; -1 if not known."""
    column = batch.customers["currency"]
    least = [
        NOTICEABLE[code] * 10 ** (minor_digits(code) or 0) if code in NOTICEABLE else -1
        for code in (name or "" for name in column.dictionary)
    ]
    found: Array = np.array(least, np.int64)[column.values]
    return found


@part_of_loops
def stands_out(amount: int, earlier: Any, count: int, noticeable: int, factor: int) -> bool:
    """Return whether an amount is far above the earlier ones, and their largest is not.

    Args:
        amount: The amount, less than `TOO_LARGE`.
        earlier: Earlier amounts, which it sorts.
        count: Number of them.
        noticeable: The noticeable difference.
        factor: The amount must be to the largest at least so many times what that is to the median.
    """
    sort(earlier, 0, count)
    largest = earlier[count - 1]
    doubled_median = earlier[count // 2] + earlier[count - 1 - count // 2]
    return bool(
        amount - largest >= noticeable and amount * doubled_median >= 2 * factor * largest * largest
    )
