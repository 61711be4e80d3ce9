"""What instructions do to registers: numbers with bounds on their errors, three-valued conditions.

Loops over the customers of a block, as `tuppence.compiled` describes them. NaN is null.

Each number has a bound on its distance from the exact decimal: sums, products and quotients carry
their rounding errors along, found without loss (T. J. Dekker, "A floating-point technique for
extending the available precision", 1971; D. E. Knuth, TAOCP 2, 4.2.2). A comparison that the bound
cannot decide is unsure.
"""

import math
from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.plan import instructions as do

SPLITTER: Final = 134_217_729.0
WHOLE: Final = 9.0e15
"""Floats below this can be any whole number."""

SLACK: Final = 1.000001
"""Bounds are made a little wider, for what is rounded when they are added up."""


@part_of_loops
def add(
    sign: float, registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    """The sum, or the difference where the sign is -1."""
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
def multiply(
    registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    """The product."""
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
def divide(
    registers: Any, errors: Any, left: int, right: int, d: int, exact: int, many: int
) -> None:
    """The quotient; null where the divisor is zero."""
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
def extreme(
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
def rounded(mode: int, x_of: Any, out: Any, ex: Any, eo: Any, many: int) -> None:
    """Whole numbers, by one of the roundings; unbounded where the error lets it fall either way."""
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
def select(held: Any, a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """The left number where the condition is true, else the right one."""
    for i in range(many):
        true = (held[i] & do.TRUE) != 0
        out[i] = a[i] if true else b[i]
        bound = ea[i] if true else eb[i]
        eo[i] = math.inf if (held[i] & do.UNSURE) != 0 else bound


@part_of_loops
def part_of_date(part: int, days: Any, out: Any, ex: Any, eo: Any, many: int) -> None:
    """Year, month, day or weekday of a count of days."""
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
def less(or_equal: bool, a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    """Whether left is less than right, or equal where that is asked."""
    for i in range(many):  # without branches, so that several customers go at once
        gap = b[i] - a[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = (gap > bound) | (or_equal & exact & (gap >= 0.0))
        false = (gap < -bound) | ((not or_equal) & exact & (gap <= 0.0))
        known = true | false | (exact & (gap != gap))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(known)


@part_of_loops
def equal(a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    """Whether both are the same; two nulls are."""
    for i in range(many):
        x = a[i]
        y = b[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = exact & ((x == y) | ((x != x) & (y != y)))
        false = (abs(x - y) > bound) | (exact & (x != y) & ((x == x) | (y == y)))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(true | false)


@part_of_loops
def is_null(x: Any, ex: Any, mask: Any, many: int) -> None:
    """Whether a number is null."""
    for i in range(many):
        bits = do.TRUE if x[i] != x[i] else do.FALSE
        mask[i] = do.UNSURE if ex[i] == math.inf else bits


@part_of_loops
def and_(p: Any, q: Any, mask: Any, many: int) -> None:
    """Both, in three-valued logic."""
    for i in range(many):
        one = (p[i] & q[i] & do.TRUE) | ((p[i] | q[i]) & do.FALSE)
        mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 1))


@part_of_loops
def or_(p: Any, q: Any, mask: Any, many: int) -> None:
    """Either, in three-valued logic."""
    for i in range(many):
        one = ((p[i] | q[i]) & do.TRUE) | (p[i] & q[i] & do.FALSE)
        mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 2))


@part_of_loops
def not_(p: Any, mask: Any, many: int) -> None:
    """The opposite."""
    for i in range(many):
        bits = p[i]
        mask[i] = ((bits & do.TRUE) << 1) | ((bits & do.FALSE) >> 1) | (bits & do.UNSURE)


@part_of_loops
def choose(held: Any, p: Any, q: Any, mask: Any, many: int) -> None:
    """The left condition where the third is true, else the right one."""
    for i in range(many):
        bits = p[i] if (held[i] & do.TRUE) != 0 else q[i]
        mask[i] = do.UNSURE if (held[i] & do.UNSURE) != 0 else bits


@part_of_loops
def undecided(p: Any, mask: Any, many: int) -> None:
    """Whether a condition is null."""
    for i in range(many):
        bits = do.TRUE if p[i] == 0 else do.FALSE
        mask[i] = do.UNSURE if (p[i] & do.UNSURE) != 0 else bits
