"""The tables that the kernel works on, as records and named tuples of arrays.

A *class* is a set of values of a field that no filter distinguishes. Each dimension of a table adds
the class of its field to a row's *key*; rows with the same key go into the same accumulators. A
*memo* maps keys to these accumulators, so that no filter is evaluated twice.
"""

from typing import Any, Final, NamedTuple

import numpy as np

TERM_BITS: Final = 62
"""Terms in one word of a bit set."""

NULL_NUMBER: Final = -(2**63)
NULL_CODE: Final = -(2**31)


def _record(*names: str) -> "np.dtype[Any]":
    return np.dtype((np.record, [(name, np.int64) for name in names]))


CODED: Final = _record("column", "lowest", "places", "first_place", "is_clamped")
"""A dimension over codes or days: its column, the lowest code, how many codes have a place, the
first place in `Classes.places`, and 1 if codes outside of the places occur and count as the first
or the last."""

ORDERED: Final = _record("column", "first_boundary", "boundaries", "stride")
"""A dimension over numbers: its column, where its boundaries begin and how many there are, and
what a class adds to the key."""

RELATIVE: Final = _record("column", "is_number", "first_value", "stride", "null")
"""A dimension that compares a column with a field of the customer: the column and its table, the
first place in `Classes.customer_values`, what a relation adds to the key, and the value that
stands for null."""

ACCUMULATOR: Final = _record("aggregation", "column", "first", "depth")
"""An accumulator: its `Aggregation`, its column, its first place in `Memo.kept` or `Memo.stamps`,
and how many rows it keeps, a power of two; for DISTINCT the lowest code in place of the depth."""

FEATURE: Final = _record("accumulator", "readout", "column", "position")
"""A feature: its accumulator, its `Readout`, the column that it reads and the index of the kept
row."""


class TableRows(NamedTuple):
    """The rows of a table, sorted by customer and then by day.

    Attributes:
        offsets: First row of each customer, shape (customers + 1,).
        numbers: Columns of int64.
        codes: Columns of int32: codes of texts, days, booleans.
    """

    offsets: Any
    numbers: Any
    codes: Any


class Classes(NamedTuple):
    """Maps a row to its key, and a key to the terms that it satisfies.

    Attributes:
        coded: Dimensions over codes and days, records of CODED.
        places: Number that each code adds to the key.
        ordered: Dimensions over numbers, records of ORDERED.
        boundaries: Ascending for each dimension; the class of a number is how many it reaches.
        relative: Comparisons with a field of the customer, records of RELATIVE.
        customer_values: The customer's value by place and customer; for texts a code, or -1.
        strides: Number that one class of each dimension adds to the key.
        counts: Number of classes that each dimension has room for.
        first_word: Index in `words` of each dimension's first class.
        words: Bit sets of the terms that each class satisfies.
        words_a_class: Number of words of each class.
        accumulator_of: Accumulator that each term feeds.
        order: Index of the column of days by which rows are sorted; -1 where there is none.
        first_day: The first day on which a row can feed an accumulator.
    """

    coded: Any
    places: Any
    ordered: Any
    boundaries: Any
    relative: Any
    customer_values: Any
    strides: Any
    counts: Any
    first_word: Any
    words: Any
    words_a_class: int
    accumulator_of: Any
    order: int
    first_day: int


class GatherPlan(NamedTuple):
    """The features to gather from a table, and the accumulators that they are read from.

    Attributes:
        plain: Number of accumulators that only count rows and sum the main number; they come first.
        main: Index of the column of that number; -1 where there is none.
        accumulators: Records of ACCUMULATOR.
        features: Records of FEATURE.
        texts: First place in `text_numbers` of each column of codes.
        text_numbers: Number of the text of each code.
    """

    plain: int
    main: int
    accumulators: Any
    features: Any
    texts: Any
    text_numbers: Any


class Memo(NamedTuple):
    """Maps keys to accumulators, and holds the workspace of a thread. Each thread has its own.

    An entry of the pool is the end of its plain accumulators, the end of all, and then their
    indexes, the plain ones first.

    Attributes:
        keys: Hash table of keys, a power of two long; -1 where a place is free.
        found: Index in `pool` of the entry of each key.
        pool: The entries.
        used: Length of the pool in use, number of keys, and number of customers seen.
        row_keys: Keys of one customer's rows.
        entries: Entries of one customer's rows.
        touched: Entries that the customer's rows have met.
        entry_counts: Number of the customer's rows that met each entry.
        entry_sums: Sum of the main number of these rows.
        counts: Number of rows of each accumulator.
        sums: Sum, or least or greatest number, of each accumulator.
        kept: Rows or numbers that accumulators keep.
        stamps: Customer with whom each code was last seen.
    """

    keys: Any
    found: Any
    pool: Any
    used: Any
    row_keys: Any
    entries: Any
    touched: Any
    entry_counts: Any
    entry_sums: Any
    counts: Any
    sums: Any
    kept: Any
    stamps: Any


class ProgramTables(NamedTuple):
    """A plan's program, bound to a batch.

    Attributes:
        code: Records of `plan.instructions.INSTRUCTION`.
        starts: First instruction of each rule.
        limits: Number of rows above which a customer is left to the reference, for each rule.
        table_bits: Index of the row counts that this number is compared with, for each rule.
        value_kinds: Kind in packed results of each value that is a code or a day.
        overflow_guards: Registers that are above zero where sums are not exact.
    """

    code: Any
    starts: Any
    limits: Any
    table_bits: Any
    value_kinds: Any
    overflow_guards: Any


class Inputs(NamedTuple):
    """The values that the program reads.

    Attributes:
        row_counts: Number of rows of each customer in every set of tables, shape (sets, customers).
        features: Features of the customers of a chunk, shape (features, chunk).
        numbers: Fields of customers, shape (fields, customers).
        number_errors: Bounds on their distance from the exact values.
        conditions: Fields that are conditions, as bits, shape (fields, customers).
    """

    row_counts: Any
    features: Any
    numbers: Any
    number_errors: Any
    conditions: Any


class Workspace(NamedTuple):
    """Registers for a block of customers. Each thread has its own.

    Attributes:
        registers: Features, fields, constants and temporaries, shape (registers, block).
        errors: Bounds on their distance from the exact values: one row of zeros for all features,
            then one row for each other register.
        masks: Condition registers, shape (masks, block).
        hashes: Hashes of what was null, shape (block,).
        incomplete: 1 where a part of a qualified result is null, shape (block,).
        overflowed: 1 where sums are not exact, shape (block,).
    """

    registers: Any
    errors: Any
    masks: Any
    hashes: Any
    incomplete: Any
    overflowed: Any


class Outputs(NamedTuple):
    """The results of some customers.

    Attributes:
        states: States as in packed results, or SHORT_HISTORY or UNSURE_STATE of `outputs`; shape
            (rules, customers).
        scores: Scores in ten-thousandths; -1 for null; shape (rules, customers).
        values: Ten-thousandths, days, numbers of texts, or 0 and 1; shape (values, customers).
        kinds: Kinds as in packed results; shape (values, customers).
        signatures: Zero for a complete result, else a hash of what was null on the way: results of
            a rule with the same signature have the same reasons; shape (rules, customers).
    """

    states: Any
    scores: Any
    values: Any
    kinds: Any
    signatures: Any
