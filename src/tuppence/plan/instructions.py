"""The instruction set of a plan's program: emitted by the planner, run by the kernel.

Registers hold one value for each customer of a block. A number register holds a float and a bound
on its distance from the exact decimal; NaN is null. A condition register holds the bits TRUE, FALSE
and UNSURE; null has neither of the first two.
"""

from enum import IntEnum
from typing import Final

import numpy as np

INSTRUCTION: Final = np.dtype(
    (
        np.record,
        [(name, np.int64) for name in ("operation", "target", "left", "right", "third")],
    )
)
"""An `Opcode`, the register, rule or value that it writes, and the registers that it reads."""

TRUE: Final = 1
FALSE: Final = 2
UNSURE: Final = 4


class Opcode(IntEnum):
    """Operations of the program; the kernel relies on the order of the groups.

    Numbers and conditions write the register `target` from `left` and `right`. The target of an
    output is a rule or a value.
    """

    ADD = 0
    SUBTRACT = 1
    MULTIPLY = 2
    DIVIDE = 3
    MINIMUM = 4
    MAXIMUM = 5
    ABSOLUTE = 6
    ROUND = 7  # right: a Rounding
    SELECT = 8  # left where the condition `third` is true, else right
    YEAR = 9
    MONTH = 10
    DAY = 11
    WEEKDAY = 12

    LESS = 20
    LESS_OR_EQUAL = 21
    EQUAL = 22
    IS_NULL = 23
    AND = 24
    OR = 25
    NOT = 26
    SELECT_CONDITION = 27  # left where the condition `third` is true, else right
    IS_UNDECIDED = 28

    PUT_STATE = 40  # rule, condition, condition that the history is too short
    PUT_SCORE = 41  # rule, number
    PUT_NUMBER = 42  # value, number, rule
    PUT_EXACT = 43  # value, number that is a code or a day, rule
    PUT_CONDITION = 44  # value, condition, rule
    END_RULE = 45  # rule


class Rounding(IntEnum):
    """Ways in which ROUND rounds to a whole number."""

    FLOOR = 0
    CEILING = 1
    HALF_EVEN = 2
    HALF_UP = 3
    HALF_DOWN = 4
    UP = 5
    DOWN = 6


class Aggregation(IntEnum):
    """Ways in which an accumulator combines the rows that pass its filter."""

    COUNT_AND_SUM = 0  # number of rows, and sum of the table's main number
    SUM = 1
    FIRST = 2
    LAST = 3
    ARGMIN = 4
    ARGMAX = 5
    DISTINCT = 6  # number of distinct codes
    VALUES = 7  # every number, for medians and for counts of distinct numbers


class Readout(IntEnum):
    """Values that a feature reads from its accumulator."""

    COUNT = 0
    SUM = 1
    NUMBER_AT = 2
    CODE_AT = 3
    TEXT_AT = 4
    TWICE_MEDIAN = 5
    DISTINCT_VALUES = 6
