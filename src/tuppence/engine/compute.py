"""Running a plan's program: numbers with bounds on their errors, three-valued conditions.

Plain Python over rows of numbers, compiled where numba is installed, as `gather` is.

Numbers are floats, each with a bound on its distance from the exact decimal: sums, products and
quotients carry their rounding errors along, found without loss (T. J. Dekker, "A floating-point
technique for extending the available precision", 1971; D. E. Knuth, TAOCP 2, 4.2.2). A comparison
that the bound cannot decide is unsure, and the reference engine evaluates that pair. NaN is null.
"""

import math
from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.plan import instructions as do

BLOCK: Final = 256
"""Customers whose registers are worked on together, so that they stay in the cache."""

CONSTANT_MASKS: Final = 3
SPLITTER: Final = 134_217_729.0
WHOLE: Final = 9.0e15
"""Floats below this can be any whole number."""

SLACK: Final = 1.000001
"""Bounds are made a little wider, for what is rounded when they are added up."""

NOT_QUALIFIED: Final = 0
QUALIFIED: Final = 1
UNKNOWN: Final = 2
SHORT_HISTORY: Final = 3
UNSURE: Final = 4

MISSING: Final = 0
NUMBER: Final = 1
TEXT: Final = 2
DATE: Final = 3
BOOLEAN: Final = 4


@part_of_loops
def _add(
    sign: float, registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    a, b, out = registers[left], registers[right], registers[d]
    ea, eb, eo = (
        errors[max(left - exact, 0)],
        errors[max(right - exact, 0)],
        errors[max(d - exact, 0)],
    )
    for i in range(many):
        x = a[i]
        y = sign * b[i]
        z = x + y
        back = z - x
        bound = ea[i] + eb[i] + abs((x - (z - back)) + (y - back))
        out[i] = z
        known = 0.0 if ea[i] + eb[i] < math.inf else math.inf
        bound = bound * SLACK if bound == bound else math.inf  # infinity times zero
        eo[i] = bound if z == z else known


@part_of_loops
def _multiply(
    registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    a, b, out = registers[left], registers[right], registers[d]
    ea, eb, eo = (
        errors[max(left - exact, 0)],
        errors[max(right - exact, 0)],
        errors[max(d - exact, 0)],
    )
    for i in range(many):
        x = a[i]
        y = b[i]
        z = x * y
        c = SPLITTER * x
        x_high = c - (c - x)
        x_low = x - x_high
        c = SPLITTER * y
        y_high = c - (c - y)
        y_low = y - y_high
        rest = x_low * y_low - (((z - x_high * y_high) - x_low * y_high) - x_high * y_low)
        bound = abs(x) * eb[i] + abs(y) * ea[i] + ea[i] * eb[i] + abs(rest)
        out[i] = z
        known = 0.0 if ea[i] + eb[i] < math.inf else math.inf
        bound = bound * SLACK if bound == bound else math.inf  # infinity times zero
        eo[i] = bound if z == z else known


@part_of_loops
def _divide(
    registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    a, b, out = registers[left], registers[right], registers[d]
    ea, eb, eo = (
        errors[max(left - exact, 0)],
        errors[max(right - exact, 0)],
        errors[max(d - exact, 0)],
    )
    for i in range(many):
        x = a[i]
        y = b[i]
        z = x / y if y != 0.0 else math.nan
        c = SPLITTER * z
        z_high = c - (c - z)
        z_low = z - z_high
        c = SPLITTER * y
        y_high = c - (c - y)
        y_low = y - y_high
        back = z * y
        rest = z_low * y_low - (((back - z_high * y_high) - z_low * y_high) - z_high * y_low)
        over = abs((x - back) - rest) + ea[i] + abs(z) * eb[i]
        room = abs(y) - eb[i]
        bound = over / room * SLACK if room > 0.0 and over == over else math.inf
        null = (x != x) | (y != y) | ((y == 0.0) & (eb[i] == 0.0))
        known = ea[i] + eb[i] < math.inf
        out[i] = z
        eo[i] = (0.0 if known else math.inf) if null else bound


@part_of_loops
def _extreme(
    sign: float, registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    """The lesser for the sign 1, the greater for -1."""
    a, b, out = registers[left], registers[right], registers[d]
    ea, eb, eo = (
        errors[max(left - exact, 0)],
        errors[max(right - exact, 0)],
        errors[max(d - exact, 0)],
    )
    for i in range(many):
        x = a[i]
        y = b[i]
        one = ea[i]
        other = eb[i]
        gap = sign * (y - x)
        larger = max(other, one)
        bound = one if gap >= 0.0 else other
        bound = bound if abs(gap) > one + other else larger
        null = gap != gap
        out[i] = math.nan if null else (x if gap >= 0.0 else y)
        eo[i] = (0.0 if one + other < math.inf else math.inf) if null else bound


@part_of_loops
def _round(mode: int, x_of: Any, out: Any, ex: Any, eo: Any, many: int) -> None:
    for i in range(many):
        x = x_of[i]
        if x != x or abs(x) >= WHOLE:
            out[i] = x
            eo[i] = ex[i]
            continue
        below = float(math.floor(x))
        part = x - below
        if mode == do.FLOOR:
            up = False
        elif mode == do.CEILING:
            up = part > 0.0
        elif mode == do.UP:
            up = part > 0.0 and x > 0.0
        elif mode == do.DOWN:
            up = part > 0.0 and x < 0.0
        elif part != 0.5:
            up = part > 0.5
        elif mode == do.HALF_EVEN:
            up = below % 2.0 == 1.0
        else:
            up = (x > 0.0) == (mode == do.HALF_UP)
        halves = mode == do.HALF_EVEN or mode == do.HALF_UP or mode == do.HALF_DOWN
        near = abs(part - 0.5) if halves else min(part, 1.0 - part)
        out[i] = below + 1.0 if up else below
        eo[i] = 0.0 if ex[i] == 0.0 or near > ex[i] else math.inf


@part_of_loops
def _select(held: Any, a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    for i in range(many):
        true = (held[i] & do.TRUE) != 0
        out[i] = a[i] if true else b[i]
        bound = ea[i] if true else eb[i]
        eo[i] = math.inf if (held[i] & do.UNSURE) != 0 else bound


@part_of_loops
def _part_of_date(part: int, days: Any, out: Any, ex: Any, eo: Any, many: int) -> None:
    for i in range(many):
        out[i] = math.nan
        eo[i] = ex[i]
        if days[i] == days[i] and abs(days[i]) < WHOLE:
            day = int(days[i])
            if part == do.WEEKDAY:
                out[i] = float((day + 3) % 7 + 1)
            else:  # after Howard Hinnant, as `feel.values.civil`
                era = (day + 719_468) // 146_097
                of_era = (day + 719_468) % 146_097
                year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
                of_year = of_era - (365 * year + year // 4 - year // 100)
                shifted = (5 * of_year + 2) // 153
                month = shifted + 3 if shifted < 10 else shifted - 9
                if part == do.YEAR:
                    out[i] = float(year + era * 400 + (1 if month <= 2 else 0))
                elif part == do.MONTH:
                    out[i] = float(month)
                else:
                    out[i] = float(of_year - (153 * shifted + 2) // 5 + 1)


@part_of_loops
def _less(or_equal: bool, a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    for i in range(many):  # without branches, so that several customers go at once
        gap = b[i] - a[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = (gap > bound) | (or_equal & exact & (gap >= 0.0))
        false = (gap < -bound) | ((not or_equal) & exact & (gap <= 0.0))
        known = true | false | (exact & (gap != gap))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(known)


@part_of_loops
def _equal(a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    for i in range(many):
        x = a[i]
        y = b[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = exact & ((x == y) | ((x != x) & (y != y)))
        false = (abs(x - y) > bound) | (exact & (x != y) & ((x == x) | (y == y)))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(true | false)


@part_of_loops
def _is_null(x: Any, ex: Any, mask: Any, many: int) -> None:
    for i in range(many):
        bits = do.TRUE if x[i] != x[i] else do.FALSE
        mask[i] = do.UNSURE if ex[i] == math.inf else bits


@part_of_loops
def _and(p: Any, q: Any, mask: Any, many: int) -> None:
    for i in range(many):
        one = (p[i] & q[i] & do.TRUE) | ((p[i] | q[i]) & do.FALSE)
        mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 1))


@part_of_loops
def _or(p: Any, q: Any, mask: Any, many: int) -> None:
    for i in range(many):
        one = ((p[i] | q[i]) & do.TRUE) | (p[i] & q[i] & do.FALSE)
        mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 2))


@part_of_loops
def _not(p: Any, mask: Any, many: int) -> None:
    for i in range(many):
        bits = p[i]
        mask[i] = ((bits & do.TRUE) << 1) | ((bits & do.FALSE) >> 1) | (bits & do.UNSURE)


@part_of_loops
def _choose(held: Any, p: Any, q: Any, mask: Any, many: int) -> None:
    for i in range(many):
        bits = p[i] if (held[i] & do.TRUE) != 0 else q[i]
        mask[i] = do.UNSURE if (held[i] & do.UNSURE) != 0 else bits


@part_of_loops
def _undecided(p: Any, mask: Any, many: int) -> None:
    for i in range(many):
        bits = do.TRUE if p[i] == 0 else do.FALSE
        mask[i] = do.UNSURE if (p[i] & do.UNSURE) != 0 else bits


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
                _add(1.0, registers, errors, left, right, d, exact, many)
            elif operation == do.SUBTRACT:
                _add(-1.0, registers, errors, left, right, d, exact, many)
            elif operation == do.MULTIPLY:
                _multiply(registers, errors, left, right, d, exact, many)
            elif operation == do.DIVIDE:
                _divide(registers, errors, left, right, d, exact, many)
            else:
                _extreme(
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
            _round(
                right,
                registers[left],
                registers[d],
                errors[max(left - exact, 0)],
                errors[max(d - exact, 0)],
                many,
            )
        elif operation == do.SELECT:
            a, b, out = registers[left], registers[right], registers[d]
            _select(
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
            _part_of_date(
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
                _equal(a, b, ea, eb, masks[d], many)
            else:
                _less(operation == do.LESS_OR_EQUAL, a, b, ea, eb, masks[d], many)
        elif operation == do.IS_NULL:
            _is_null(registers[left], errors[max(left - exact, 0)], masks[d], many)
        elif operation == do.AND:
            _and(masks[left], masks[right], masks[d], many)
        elif operation == do.OR:
            _or(masks[left], masks[right], masks[d], many)
        elif operation == do.NOT:
            _not(masks[left], masks[d], many)
        elif operation == do.CHOOSE:
            _choose(masks[third], masks[left], masks[right], masks[d], many)
        elif operation == do.UNDECIDED:
            _undecided(masks[left], masks[d], many)
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
            _load(conditions[c], start + low, masks[CONSTANT_MASKS + c], size)
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
