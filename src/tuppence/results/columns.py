"""Reads the packed results of many customers into arrays, by rule and then by customer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.compiled import loop
from tuppence.results.packed import QUALIFIED, SUSPENDED, Layout, damaged, skip
from tuppence.results.result import CustomerResults

Array = npt.NDArray[Any]


class StoredStates(NamedTuple):
    """Stored results without their values, by rule and then by customer.

    Attributes:
        states: NOT_QUALIFIED, QUALIFIED, UNKNOWN or SUSPENDED.
        since: Days of the results, see `Result.since`.
        scores: Scores in ten-thousandths; -1 for null, and unless qualified.
    """

    states: Array
    since: Array
    scores: Array


def unpack_states(layout: Layout, rows: Sequence[CustomerResults]) -> StoredStates:
    """Read the packed results of some customers.

    Args:
        layout: Layout of all of them.
        rows: The results.

    Raises:
        UserError: The results of a customer are damaged.
    """
    shape = len(layout.rules), len(rows)
    found = StoredStates(
        np.zeros(shape, np.uint8), np.zeros(shape, np.uint16), np.full(shape, -1, np.int32)
    )
    data = np.frombuffer(b"".join(row.packed for row in rows) + b"\0", np.uint8)
    offsets = np.cumsum([0, *(len(row.packed) for row in rows)])
    broken = np.array([-1], np.int64)
    _unpack(data, offsets, layout.first_values, *found, broken)
    if broken[0] >= 0:
        raise damaged(rows[broken[0]].customer_id)
    return found


@loop
def _unpack(
    data: Any,
    offsets: Any,
    first_values: Any,
    states: Any,
    since: Any,
    scores: Any,
    broken: Any,
) -> None:
    rules = len(first_values) - 1
    for i in range(len(offsets) - 1):
        start, end = offsets[i], offsets[i + 1]
        place = start + 3 * rules
        if place > end:
            place = -1
        for rule in range(rules if place >= 0 else 0):
            state = data[start + rule]
            day = start + rules + 2 * rule
            if state > SUSPENDED and broken[0] < 0:
                broken[0] = i
            states[rule][i] = state
            since[rule][i] = int(data[day]) + 256 * int(data[day + 1])
            if state != QUALIFIED or place < 0:
                continue
            if place + 4 > end:
                place = -1
                continue
            score = 0
            for byte in range(4):
                score += int(data[place + byte]) << (8 * byte)
            scores[rule][i] = -1 if score >= 1 << 31 else score
            place = skip(data, place, end, first_values[rule + 1] - first_values[rule])
        if place != end and broken[0] < 0:
            broken[0] = i
