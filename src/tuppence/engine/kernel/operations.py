"""The operations of instructions, over the customers of a block.

Numbers carry a bound on their distance from the exact decimal; NaN is null. The bounds of sums,
products and quotients include the rounding errors of the operation, which are computed without
loss (T. J. Dekker, "A floating-point technique for extending the available precision", 1971; D. E.
Knuth, TAOCP 2, 4.2.2). A comparison that the bounds cannot decide is UNSURE.

In all functions `a` and `b` are the numbers on the left and right, `ea` and `eb` their bounds,
`out` and `eo` the result and its bound, and `many` is the number of customers.
"""

import math
from typing import Any, Final

from tuppence.compiled import part_of_loops
from tuppence.plan.instructions import FALSE, TRUE, UNSURE, Opcode, Rounding

SPLITTER: Final = 134_217_729.0
"""2**27 + 1, which splits a float into two halves."""

MAX_WHOLE: Final = 9.0e15
"""Every whole number below this is a float."""

SLACK: Final = 1.000001
"""Factor that widens bounds to allow for the rounding of the bounds themselves."""


@part_of_loops
def add(sign: float, a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """Add for a sign of 1; subtract for a sign of -1."""
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
def multiply(a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """Multiply."""
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
def divide(a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """Divide; the result is null where the divisor is zero."""
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
def extreme(sign: float, a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """Take the lesser number for a sign of 1, the greater for a sign of -1."""
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
def absolute(a: Any, out: Any, ea: Any, eo: Any, many: int) -> None:
    """Take the absolute value."""
    for i in range(many):
        out[i] = abs(a[i])
        eo[i] = ea[i]


@part_of_loops
def rounded(mode: int, a: Any, out: Any, ea: Any, eo: Any, many: int) -> None:
    """Round to whole numbers; the bound is infinite where the error allows either neighbour."""
    for i in range(many):
        x = a[i]
        if x != x or abs(x) >= MAX_WHOLE:
            out[i] = x
            eo[i] = ea[i]
            continue
        below = float(math.floor(x))
        part = x - below
        if mode == Rounding.FLOOR:
            up = False
        elif mode == Rounding.CEILING:
            up = part > 0.0
        elif mode == Rounding.UP:
            up = part > 0.0 and x > 0.0
        elif mode == Rounding.DOWN:
            up = part > 0.0 and x < 0.0
        elif part != 0.5:
            up = part > 0.5
        elif mode == Rounding.HALF_EVEN:
            up = below % 2.0 == 1.0
        else:
            up = (x > 0.0) == (mode == Rounding.HALF_UP)
        halves = (
            mode == Rounding.HALF_EVEN or mode == Rounding.HALF_UP or mode == Rounding.HALF_DOWN
        )
        near = abs(part - 0.5) if halves else min(part, 1.0 - part)
        out[i] = below + 1.0 if up else below
        eo[i] = 0.0 if ea[i] == 0.0 or near > ea[i] else math.inf


@part_of_loops
def select(held: Any, a: Any, b: Any, out: Any, ea: Any, eb: Any, eo: Any, many: int) -> None:
    """Take the left number where the condition is true, else the right one."""
    for i in range(many):
        true = (held[i] & TRUE) != 0
        out[i] = a[i] if true else b[i]
        bound = ea[i] if true else eb[i]
        eo[i] = math.inf if (held[i] & UNSURE) != 0 else bound


@part_of_loops
def part_of_date(part: int, days: Any, out: Any, ea: Any, eo: Any, many: int) -> None:
    """Take the year, month, day or weekday of days since 1970-01-01."""
    for i in range(many):
        out[i] = math.nan
        eo[i] = ea[i]
        if days[i] == days[i] and abs(days[i]) < MAX_WHOLE:
            day = int(days[i])
            if part == Opcode.WEEKDAY:
                out[i] = float((day + 3) % 7 + 1)
            else:  # Howard Hinnant's civil_from_days, as in `feel.values.civil`
                era = (day + 719_468) // 146_097
                of_era = (day + 719_468) % 146_097
                year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
                of_year = of_era - (365 * year + year // 4 - year // 100)
                shifted = (5 * of_year + 2) // 153
                month = shifted + 3 if shifted < 10 else shifted - 9
                if part == Opcode.YEAR:
                    out[i] = float(year + era * 400 + (1 if month <= 2 else 0))
                elif part == Opcode.MONTH:
                    out[i] = float(month)
                else:
                    out[i] = float(of_year - (153 * shifted + 2) // 5 + 1)


# -- conditions ------------------------------------------------------------------------------------


@part_of_loops
def less(or_equal: bool, a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    """Test whether left is less than right, or equal if `or_equal`."""
    for i in range(many):  # without branches, so that several customers are compared at once
        gap = b[i] - a[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = (gap > bound) | (or_equal & exact & (gap >= 0.0))
        false = (gap < -bound) | ((not or_equal) & exact & (gap <= 0.0))
        known = true | false | (exact & (gap != gap))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(known)


@part_of_loops
def equal(a: Any, b: Any, ea: Any, eb: Any, mask: Any, many: int) -> None:
    """Test whether two numbers are equal; null equals null."""
    for i in range(many):
        x = a[i]
        y = b[i]
        bound = ea[i] + eb[i]
        exact = bound == 0.0
        true = exact & ((x == y) | ((x != x) & (y != y)))
        false = (abs(x - y) > bound) | (exact & (x != y) & ((x == x) | (y == y)))
        mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(true | false)


@part_of_loops
def is_null(a: Any, ea: Any, mask: Any, many: int) -> None:
    """Test whether a number is null."""
    for i in range(many):
        bits = TRUE if a[i] != a[i] else FALSE
        mask[i] = UNSURE if ea[i] == math.inf else bits


@part_of_loops
def and_(p: Any, q: Any, mask: Any, many: int) -> None:
    """Join two conditions by "and" in three-valued logic."""
    for i in range(many):
        one = (p[i] & q[i] & TRUE) | ((p[i] | q[i]) & FALSE)
        mask[i] = one | ((p[i] | q[i]) & UNSURE & ~(one << 1))


@part_of_loops
def or_(p: Any, q: Any, mask: Any, many: int) -> None:
    """Join two conditions by "or" in three-valued logic."""
    for i in range(many):
        one = ((p[i] | q[i]) & TRUE) | (p[i] & q[i] & FALSE)
        mask[i] = one | ((p[i] | q[i]) & UNSURE & ~(one << 2))


@part_of_loops
def not_(p: Any, mask: Any, many: int) -> None:
    """Negate a condition."""
    for i in range(many):
        bits = p[i]
        mask[i] = ((bits & TRUE) << 1) | ((bits & FALSE) >> 1) | (bits & UNSURE)


@part_of_loops
def select_condition(held: Any, p: Any, q: Any, mask: Any, many: int) -> None:
    """Take the left condition where `held` is true, else the right one."""
    for i in range(many):
        bits = p[i] if (held[i] & TRUE) != 0 else q[i]
        mask[i] = UNSURE if (held[i] & UNSURE) != 0 else bits


@part_of_loops
def is_undecided(p: Any, mask: Any, many: int) -> None:
    """Test whether a condition is null."""
    for i in range(many):
        bits = TRUE if p[i] == 0 else FALSE
        mask[i] = UNSURE if (p[i] & UNSURE) != 0 else bits
