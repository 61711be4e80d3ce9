"""The instructions of a plan's program: what the planner emits and the kernel runs.

Registers hold one value for each customer of a block. Number registers hold a float and a bound on
how far it can be from the exact decimal; NaN is null. Condition registers hold the bits below; none
of them is null.
"""

from typing import Final

TRUE: Final = 1
FALSE: Final = 2
UNSURE: Final = 4

# numbers: destination, left, right
ADD: Final = 0
SUBTRACT: Final = 1
MULTIPLY: Final = 2
DIVIDE: Final = 3
LEAST: Final = 4
GREATEST: Final = 5
ABSOLUTE: Final = 6
ROUND: Final = 7  # right: one of the roundings
SELECT: Final = 8  # left if the condition in `third` is true, else right
YEAR: Final = 9
MONTH: Final = 10
DAY: Final = 11
WEEKDAY: Final = 12

# conditions: destination, left, right
LESS: Final = 20
LESS_OR_EQUAL: Final = 21
EQUAL: Final = 22
IS_NULL: Final = 23
AND: Final = 24
OR: Final = 25
NOT: Final = 26
CHOOSE: Final = 27  # left if the condition in `third` is true, else right
UNDECIDED: Final = 28

# outputs
STATE: Final = 40  # rule, condition, whether history is too short
SCORE: Final = 41  # rule, number
NUMBER: Final = 42  # value, number, rule
EXACT: Final = 43  # value, number, rule: a code or a day
CONDITION: Final = 44  # value, condition, rule
END: Final = 45  # rule

# roundings
FLOOR: Final = 0
CEILING: Final = 1
HALF_EVEN: Final = 2
HALF_UP: Final = 3
HALF_DOWN: Final = 4
UP: Final = 5
DOWN: Final = 6

# accumulators
PLAIN: Final = 0  # count and sum of the table's main number
SUM: Final = 1
FIRST: Final = 2
LAST: Final = 3
LEAST_ROW: Final = 4
GREATEST_ROW: Final = 5
DISTINCT: Final = 6  # how many codes
VALUES: Final = 7  # all numbers, for the median and for how many differ

# features: what is read off an accumulator
COUNTED: Final = 0
SUMMED: Final = 1
NUMBER_AT: Final = 2
CODE_AT: Final = 3
TEXT_AT: Final = 4
MEDIAN: Final = 5  # twice the median
DIFFERENT: Final = 6
