"""The output instructions: write states, scores and values, and sign the reasons for nulls."""

import math
from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.engine.kernel.operations import MAX_WHOLE
from tuppence.plan.instructions import FALSE, TRUE, UNSURE
from tuppence.results.packed import (
    BOOLEAN,
    MISSING,
    NOT_QUALIFIED,
    NUMBER,
    QUALIFIED,
    UNKNOWN,
)

SHORT_HISTORY: Final = 3
UNSURE_STATE: Final = 4
"""States that results do not have: the history is too short; floats cannot decide."""


@part_of_loops
def put_state(
    held: Any, short: Any, row_counts: Any, limit: int, overflowed: Any, states: Any, many: int
) -> None:
    """Write states from a condition and the condition that the history is too short."""
    for i in range(many):
        state = UNKNOWN
        if (held[i] & TRUE) != 0:
            state = QUALIFIED
        elif (held[i] & FALSE) != 0:
            state = NOT_QUALIFIED
        is_unsure = ((held[i] | short[i]) & UNSURE) != 0
        if is_unsure or row_counts[i] > limit or overflowed[i] != 0:
            state = UNSURE_STATE
        states[i] = SHORT_HISTORY if (short[i] & TRUE) != 0 else state


@part_of_loops
def put_score(a: Any, ea: Any, states: Any, incomplete: Any, scores: Any, many: int) -> None:
    """Write the scores of qualified customers, rounded half even; -1 for null."""
    for i in range(many):
        if states[i] != QUALIFIED:
            continue
        x = a[i]
        scores[i] = -1
        if x != x:
            incomplete[i] = 1
            states[i] = QUALIFIED if ea[i] == 0.0 else UNSURE_STATE
        else:
            below = math.floor(x)
            part = x - below
            if ea[i] != 0.0 and not abs(part - 0.5) > ea[i]:
                states[i] = UNSURE_STATE
            up = part > 0.5 or (part == 0.5 and below % 2 == 1)
            scores[i] = int(below) + (1 if up else 0)


@part_of_loops
def put_number(
    a: Any, ea: Any, states: Any, incomplete: Any, values: Any, kinds: Any, many: int
) -> None:
    """Write numbers of qualified customers, rounded half even."""
    for i in range(many):
        if states[i] != QUALIFIED:
            continue
        x = a[i]
        kinds[i] = MISSING
        if x != x:
            incomplete[i] = 1
            states[i] = QUALIFIED if ea[i] == 0.0 else UNSURE_STATE
        elif abs(x) >= MAX_WHOLE:
            states[i] = UNSURE_STATE
        else:
            below = math.floor(x)
            part = x - below
            if ea[i] != 0.0 and not abs(part - 0.5) > ea[i]:
                states[i] = UNSURE_STATE
            up = part > 0.5 or (part == 0.5 and below % 2 == 1)
            values[i] = int(below) + (1 if up else 0)
            kinds[i] = NUMBER


@part_of_loops
def put_exact(
    kind: int,
    a: Any,
    ea: Any,
    states: Any,
    incomplete: Any,
    values: Any,
    kinds: Any,
    many: int,
) -> None:
    """Write days or numbers of texts of qualified customers."""
    for i in range(many):
        if states[i] != QUALIFIED:
            continue
        kinds[i] = MISSING
        if ea[i] != 0.0:
            states[i] = UNSURE_STATE
        elif a[i] != a[i]:
            incomplete[i] = 1
        else:
            values[i] = int(a[i])
            kinds[i] = kind


@part_of_loops
def put_condition(p: Any, states: Any, incomplete: Any, values: Any, kinds: Any, many: int) -> None:
    """Write conditions of qualified customers."""
    for i in range(many):
        if states[i] != QUALIFIED:
            continue
        kinds[i] = MISSING
        if (p[i] & UNSURE) != 0:
            states[i] = UNSURE_STATE
        elif p[i] == 0:
            incomplete[i] = 1
        else:
            values[i] = p[i] & TRUE
            kinds[i] = BOOLEAN


# -- reasons ---------------------------------------------------------------------------------------


@part_of_loops
def has_gaps(states: Any, incomplete: Any, hashes: Any, many: int) -> bool:
    """Return whether any result is unknown or incomplete, and clear the hashes."""
    found = False
    for i in range(many):
        hashes[i] = 0
        state = states[i]
        found |= (state == UNKNOWN) | ((state == QUALIFIED) & (incomplete[i] != 0))
    return found


@part_of_loops
def sign(states: Any, incomplete: Any, hashes: Any, signatures: Any, many: int) -> None:
    """Write the signatures of unknown and incomplete results."""
    for i in range(many):
        state = states[i]
        if state == UNKNOWN or (state == QUALIFIED and incomplete[i] != 0):
            signatures[i] = hashes[i] + 1


@part_of_loops
def hash_nulls(a: Any, hashes: Any, many: int) -> None:
    """Add to the hashes where a number is null."""
    for i in range(many):
        hashes[i] = (hashes[i] * 1_000_003 + (1 if a[i] != a[i] else 2)) % 2_147_483_647


@part_of_loops
def hash_bits(mask: Any, hashes: Any, many: int) -> None:
    """Add the bits of a condition to the hashes."""
    for i in range(many):
        hashes[i] = (hashes[i] * 1_000_003 + mask[i] + 3) % 2_147_483_647
