"""Running a plan's program over blocks of customers.

Loops, as `tuppence.compiled` describes them. What instructions do to numbers and conditions is in
`operations`; a pair of rule and customer that those leave unsure is the reference engine's.
"""

import math
from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.engine import operations
from tuppence.engine.operations import WHOLE
from tuppence.plan import instructions as do
from tuppence.plan.columns import FALSE_ROW
from tuppence.results.packed import (
    BOOLEAN,
    MISSING,
    NOT_QUALIFIED,
    NUMBER,
    QUALIFIED,
    UNKNOWN,
)

BLOCK: Final = 256
"""Customers whose registers are worked on together, so that they stay in the cache."""

FIRST_MASK: Final = FALSE_ROW + 1
"""The first condition register that is not a constant."""

SHORT_HISTORY: Final = 3
UNSURE: Final = 4
"""States beside those of results: the history is too short, and floats cannot decide."""


@part_of_loops
def _state(
    held: Any,
    short: Any,
    rows: Any,
    offset: int,
    limit: int,
    troubled: Any,
    out: Any,
    first: int,
    many: int,
) -> None:
    for i in range(many):
        state = UNKNOWN
        if (held[i] & do.TRUE) != 0:
            state = QUALIFIED
        elif (held[i] & do.FALSE) != 0:
            state = NOT_QUALIFIED
        if ((held[i] | short[i]) & do.UNSURE) != 0 or rows[offset + i] > limit or troubled[i] != 0:
            state = UNSURE
        out[first + i] = SHORT_HISTORY if (short[i] & do.TRUE) != 0 else state


@part_of_loops
def _score(x_of: Any, ex: Any, states: Any, lacking: Any, out: Any, first: int, many: int) -> None:
    for i in range(many):
        if states[first + i] != QUALIFIED:
            continue
        x = x_of[i]
        out[first + i] = -1
        if x != x:
            lacking[i] = 1
            states[first + i] = QUALIFIED if ex[i] == 0.0 else UNSURE
        else:
            below = math.floor(x)
            part = x - below
            if ex[i] != 0.0 and not abs(part - 0.5) > ex[i]:
                states[first + i] = UNSURE
            up = part > 0.5 or (part == 0.5 and below % 2 == 1)
            out[first + i] = int(below) + (1 if up else 0)


@part_of_loops
def _number(
    x_of: Any, ex: Any, states: Any, lacking: Any, values: Any, kinds: Any, first: int, many: int
) -> None:
    for i in range(many):
        if states[first + i] != QUALIFIED:
            continue
        x = x_of[i]
        kinds[first + i] = MISSING
        if x != x:
            lacking[i] = 1
            states[first + i] = QUALIFIED if ex[i] == 0.0 else UNSURE
        elif abs(x) >= WHOLE:
            states[first + i] = UNSURE
        else:
            below = math.floor(x)
            part = x - below
            if ex[i] != 0.0 and not abs(part - 0.5) > ex[i]:
                states[first + i] = UNSURE
            up = part > 0.5 or (part == 0.5 and below % 2 == 1)
            values[first + i] = int(below) + (1 if up else 0)
            kinds[first + i] = NUMBER


@part_of_loops
def _exact(
    kind: int,
    x: Any,
    ex: Any,
    states: Any,
    lacking: Any,
    values: Any,
    kinds: Any,
    first: int,
    many: int,
) -> None:
    for i in range(many):
        if states[first + i] != QUALIFIED:
            continue
        kinds[first + i] = MISSING
        if ex[i] != 0.0:
            states[first + i] = UNSURE
        elif x[i] != x[i]:
            lacking[i] = 1
        else:
            values[first + i] = int(x[i])
            kinds[first + i] = kind


@part_of_loops
def _condition(
    p: Any, states: Any, lacking: Any, values: Any, kinds: Any, first: int, many: int
) -> None:
    for i in range(many):
        if states[first + i] != QUALIFIED:
            continue
        kinds[first + i] = MISSING
        if (p[i] & do.UNSURE) != 0:
            states[first + i] = UNSURE
        elif p[i] == 0:
            lacking[i] = 1
        else:
            values[first + i] = p[i] & do.TRUE
            kinds[first + i] = BOOLEAN


@part_of_loops
def _note_trouble(counts: Any, troubled: Any, many: int) -> None:
    for i in range(many):
        if counts[i] > 0.0:
            troubled[i] = 1


@part_of_loops
def _asks_why(states: Any, lacking: Any, hashes: Any, first: int, many: int) -> bool:
    """Whether a result is unknown or incomplete; hashes begin anew."""
    found = False
    for i in range(many):
        hashes[i] = 0
        state = states[first + i]
        found |= (state == UNKNOWN) | ((state == QUALIFIED) & (lacking[i] != 0))
    return found


@part_of_loops
def _sign(states: Any, lacking: Any, hashes: Any, signatures: Any, first: int, many: int) -> None:
    for i in range(many):
        state = states[first + i]
        if state == UNKNOWN or (state == QUALIFIED and lacking[i] != 0):
            signatures[first + i] = hashes[i] + 1


@part_of_loops
def _hash_nulls(x: Any, hashes: Any, many: int) -> None:
    for i in range(many):
        hashes[i] = (hashes[i] * 1_000_003 + (1 if x[i] != x[i] else 2)) % 2_147_483_647


@part_of_loops
def _hash_bits(mask: Any, hashes: Any, many: int) -> None:
    for i in range(many):
        hashes[i] = (hashes[i] * 1_000_003 + mask[i] + 3) % 2_147_483_647


@part_of_loops
def _run_block(
    code: Any,
    starts: Any,
    limits: Any,
    rows: Any,
    offset: int,
    troubles: Any,
    many: int,
    first: int,
    kinds_of: Any,
    exact: int,
    registers: Any,
    errors: Any,
    masks: Any,
    scratch: Any,
    states: Any,
    scores: Any,
    values: Any,
    kinds: Any,
    signatures: Any,
) -> None:
    """Run the program for the customers whose values are in the registers.

    Registers up to `exact` hold features, whose errors are zero.
    """
    hashes, lacking, troubled = scratch[0], scratch[1], scratch[2]
    for i in range(many):
        troubled[i] = 0
    for t in range(len(troubles)):
        _note_trouble(registers[troubles[t]], troubled, many)
    hashing = False
    k = 0
    while k < len(code):
        operation, d, left, right, third = (
            code[k],
            code[k + 1],
            code[k + 2],
            code[k + 3],
            code[k + 4],
        )
        k += 5
        if operation < do.ROUND and operation != do.ABSOLUTE:
            if operation == do.ADD:
                operations.add(1.0, registers, errors, left, right, d, exact, many)
            elif operation == do.SUBTRACT:
                operations.add(-1.0, registers, errors, left, right, d, exact, many)
            elif operation == do.MULTIPLY:
                operations.multiply(registers, errors, left, right, d, exact, many)
            elif operation == do.DIVIDE:
                operations.divide(registers, errors, left, right, d, exact, many)
            else:
                operations.extreme(
                    1.0 if operation == do.LEAST else -1.0,
                    registers,
                    errors,
                    left,
                    right,
                    d,
                    exact,
                    many,
                )
        elif operation == do.ABSOLUTE:
            for i in range(many):
                registers[d][i] = abs(registers[left][i])
                errors[max(d - exact, 0)][i] = errors[max(left - exact, 0)][i]
        elif operation == do.ROUND:
            operations.rounded(
                right,
                registers[left],
                registers[d],
                errors[max(left - exact, 0)],
                errors[max(d - exact, 0)],
                many,
            )
        elif operation == do.SELECT:
            a, b, out = registers[left], registers[right], registers[d]
            operations.select(
                masks[third],
                a,
                b,
                out,
                errors[max(left - exact, 0)],
                errors[max(right - exact, 0)],
                errors[max(d - exact, 0)],
                many,
            )
        elif operation <= do.WEEKDAY:
            operations.part_of_date(
                operation,
                registers[left],
                registers[d],
                errors[max(left - exact, 0)],
                errors[max(d - exact, 0)],
                many,
            )
        elif operation <= do.EQUAL:
            a, b, ea, eb = (
                registers[left],
                registers[right],
                errors[max(left - exact, 0)],
                errors[max(right - exact, 0)],
            )
            if operation == do.EQUAL:
                operations.equal(a, b, ea, eb, masks[d], many)
            else:
                operations.less(operation == do.LESS_OR_EQUAL, a, b, ea, eb, masks[d], many)
        elif operation == do.IS_NULL:
            operations.is_null(registers[left], errors[max(left - exact, 0)], masks[d], many)
        elif operation == do.AND:
            operations.and_(masks[left], masks[right], masks[d], many)
        elif operation == do.OR:
            operations.or_(masks[left], masks[right], masks[d], many)
        elif operation == do.NOT:
            operations.not_(masks[left], masks[d], many)
        elif operation == do.CHOOSE:
            operations.choose(masks[third], masks[left], masks[right], masks[d], many)
        elif operation == do.UNDECIDED:
            operations.undecided(masks[left], masks[d], many)
        elif operation == do.STATE:
            for i in range(many):
                lacking[i] = 0
            _state(
                masks[left], masks[right], rows, offset, limits[d], troubled, states[d], first, many
            )
        elif operation == do.SCORE:
            _score(
                registers[left],
                errors[max(left - exact, 0)],
                states[d],
                lacking,
                scores[d],
                first,
                many,
            )
        elif operation == do.NUMBER:
            x, ex, held = registers[left], errors[max(left - exact, 0)], states[right]
            _number(x, ex, held, lacking, values[d], kinds[d], first, many)
        elif operation == do.EXACT:
            x, ex, held = registers[left], errors[max(left - exact, 0)], states[right]
            _exact(kinds_of[d], x, ex, held, lacking, values[d], kinds[d], first, many)
        elif operation == do.CONDITION:
            _condition(masks[left], states[right], lacking, values[d], kinds[d], first, many)
        elif hashing:  # the end of a rule, for the second time
            _sign(states[d], lacking, hashes, signatures[d], first, many)
            hashing = False
        elif _asks_why(states[d], lacking, hashes, first, many):
            hashing = True
            k = starts[d]
        if hashing and operation < do.STATE:
            numeric = operation <= do.WEEKDAY or (do.LESS <= operation <= do.IS_NULL)
            if numeric:
                _hash_nulls(registers[left], hashes, many)
            if numeric and operation != do.ROUND:
                _hash_nulls(registers[right], hashes, many)
            if operation >= do.LESS:
                _hash_bits(masks[d], hashes, many)
            if operation in {do.SELECT, do.CHOOSE}:
                _hash_bits(masks[third], hashes, many)
        elif hashing and do.SCORE <= operation <= do.EXACT:
            _hash_nulls(registers[left], hashes, many)
        elif hashing and operation in {do.STATE, do.CONDITION}:
            _hash_bits(masks[left], hashes, many)


@part_of_loops
def _load(source: Any, place: int, register: Any, many: int) -> None:
    for i in range(many):
        register[i] = source[place + i]


def compute(
    code: Any,
    starts: Any,
    limits: Any,
    rows: Any,
    troubles: Any,
    kinds_of: Any,
    features: Any,
    numbers: Any,
    number_errors: Any,
    conditions: Any,
    start: int,
    many: int,
    first: int,
    registers: Any,
    errors: Any,
    masks: Any,
    scratch: Any,
    states: Any,
    scores: Any,
    values: Any,
    kinds: Any,
    signatures: Any,
) -> None:
    """Run the program for `many` customers, block by block.

    Args:
        code: Operation, destination, left, right, third; and so on.
        starts: By rule, where its first instruction is.
        limits: By rule, how many rows a customer may have.
        rows: By customer, how many there are.
        troubles: Registers that are above zero where sums are not exact.
        kinds_of: By value, the kind that it has where it is exact.
        features: (features, CHUNK): those of customer `start` first.
        numbers: (readings, customers): the customers' own fields.
        number_errors: Bounds on their distance from the exact values.
        conditions: (readings, customers): bits.
        start: The first customer.
        many: How many customers there are.
        first: Where their results go.
        registers: (registers, BLOCK): features, numbers, constants, room; constants are filled in.
        errors: Bounds on their distance from the exact values: a row of zeros for all features,
            then one for each other register; those of constants are filled in.
        masks: (registers, BLOCK): three constants, which are filled in, conditions, room.
        scratch: Three rows of room: hashes, whether something is missing, whether sums are inexact.
        states: (rules, customers), to be filled.
        scores: (rules, customers), in ten-thousandths, -1 for null, to be filled.
        values: (values, customers): in ten-thousandths, days, numbers of texts, to be filled.
        kinds: (values, customers), to be filled.
        signatures: (rules, customers), zero on entry. Where a result is unknown or a part of it is
            null, what was null on the way: pairs of a rule with the same number have the same
            parts null.
    """
    exact = len(features) - 1
    for low in range(0, many, BLOCK):
        size = min(BLOCK, many - low)
        for f in range(len(features)):
            _load(features[f], low, registers[f], size)
        for n in range(len(numbers)):
            _load(numbers[n], start + low, registers[len(features) + n], size)
            _load(number_errors[n], start + low, errors[1 + n], size)
        for c in range(len(conditions)):
            _load(conditions[c], start + low, masks[FIRST_MASK + c], size)
        _run_block(
            code,
            starts,
            limits,
            rows,
            start + low,
            troubles,
            size,
            first + low,
            kinds_of,
            exact,
            registers,
            errors,
            masks,
            scratch,
            states,
            scores,
            values,
            kinds,
            signatures,
        )
