"""Going through rows: the features of each customer, gathered in one pass.

Plain Python over tables of numbers: see `tuppence.compiled`.

What a row means to the ruleset depends only on the classes that its fields belong to: the kinds of
day, of category, of amount that filters can tell apart. The classes together are a key, and a memo
says for each key which accumulators the row goes into; a key that is new is worked out from one set
of bits a class. No filter is tested twice.
"""

import math
from typing import Any, Final, NamedTuple

from tuppence.compiled import part_of_loops
from tuppence.plan import instructions as do
from tuppence.plan.literals import GREATER, INCOMPARABLE, LESS, SAME

BITS: Final = 62
"""Terms in a word."""

NULL_NUMBER: Final = -(2**63)
NULL_CODE: Final = -(2**31)
FEW: Final = 16
"""Up to so many cuts are quicker tried one after another than searched."""


FEW_PLAIN: Final = 2
"""Up to so many plain accumulators get each row at once."""


class Rows(NamedTuple):
    """A table of facts: `offsets` by customer, then columns of int64 and of int32."""

    offsets: Any
    numbers: Any
    codes: Any


class Classes(NamedTuple):
    """How a row comes to its key.

    Attributes:
        coded: For columns of codes and days: column, lowest code, how many places, first place, and
            whether codes can be outside of the places.
        places: What each code adds to the key.
        ordered: Columns of numbers: column, first cut, how many cuts, what a class adds.
        cuts: In ascending order for each column; a value's class is how many it reaches.
        beside: Columns compared with a field of the customer's own: column, whether of numbers, the
            first place in `own`, what a class adds, what stands for null.
        own: By place and customer, the customer's value; for texts a code, or -1.
        strides: What a class of each dimension adds to the key.
        counts: How many classes each dimension has.
        first_word: Where the words of each dimension's classes begin.
        words: For each class a bit for each term that it allows.
        words_a_class: How many.
        accumulator_of: By term.
        order: The column of days by which rows are sorted; -1 where there is none.
        first_day: Before it no row feeds anything.
    """

    coded: Any
    places: Any
    ordered: Any
    cuts: Any
    beside: Any
    own: Any
    strides: Any
    counts: Any
    first_word: Any
    words: Any
    words_a_class: int
    accumulator_of: Any
    order: int
    first_day: int


class Gathered(NamedTuple):
    """What is gathered, and read off it.

    Attributes:
        plain: The accumulators before this one only count and sum the main number.
        main: The column of that number; -1 where there is none.
        operations: By accumulator.
        columns: By accumulator, the column that it looks at.
        firsts: By accumulator, its first place in `kept` or `stamps`.
        depths: By accumulator, how many rows it keeps, a power of two; the lowest code for those
            that stamp.
        features: Accumulator, part, column, position of each.
        texts: By column of codes, the first place in `text_of`.
        text_of: The number of the text for each code.
    """

    plain: int
    main: int
    operations: Any
    columns: Any
    firsts: Any
    depths: Any
    features: Any
    texts: Any
    text_of: Any


class Memo(NamedTuple):
    """What keys mean, and room to work in; each thread has its own.

    Attributes:
        keys: -1 where the place is free; a power of two of them.
        found: Where in `pool` the entry of a key begins. An entry is where its plain accumulators
            end, where all end, and then their numbers, the plain ones first.
        pool: The entries.
        used: How much of the pool is taken, how many keys there are, and how many customers were
            looked at.
        row_keys: Room for the rows of one customer.
        entries: Room for the entries of their keys.
        touched: The entries that a customer's rows have met.
        entry_counts: By entry, how many of the customer's rows met it.
        entry_sums: By entry, the sum of their main number.
        counts: By accumulator.
        sums: By accumulator.
        kept: Rows by place, and values of those that keep values.
        stamps: By place, the number of the look that saw it last.
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


def gather(
    rows: Rows,
    classes: Classes,
    gathered: Gathered,
    memo: Memo,
    start: int,
    stop: int,
    apart: int,
    out: Any,
) -> None:
    """Gather a table's features for customers start to stop into `out`.

    Args:
        rows: The table.
        classes: How its rows come to their keys.
        gathered: What is gathered.
        memo: What keys mean.
        start: The first customer.
        stop: The one after the last.
        apart: How far apart two features of a customer are in `out`.
        out: For each feature, one after another, its values by customer.
    """
    coded, places, ordered, cuts = classes.coded, classes.places, classes.ordered, classes.cuts
    beside, own = classes.beside, classes.own
    keys, found, pool = memo.keys, memo.found, memo.pool
    row_keys, entries, touched = memo.row_keys, memo.entries, memo.touched
    entry_counts, entry_sums = memo.entry_counts, memo.entry_sums
    counts, sums, kept, stamps = memo.counts, memo.sums, memo.kept, memo.stamps
    operations, columns = gathered.operations, gathered.columns
    firsts, depths = gathered.firsts, gathered.depths
    features, texts, text_of = gathered.features, gathered.texts, gathered.text_of
    mask = len(keys) - 1
    main_column = gathered.main
    main = rows.numbers[max(main_column, 0)]
    for customer in range(start, stop):
        memo.used[2] += 1
        low = rows.offsets[customer]
        end = rows.offsets[customer + 1]
        if classes.order >= 0:
            low = _first_from(rows.codes[classes.order], low, end, classes.first_day)
        many = end - low
        for a in range(len(counts)):
            counts[a] = 0
            sums[a] = 0
        for j in range(many):
            row_keys[j] = 0
        for d in range(0, len(coded), 5):
            codes = rows.codes[coded[d]][low : low + many]
            lowest, size = coded[d + 1], coded[d + 2]
            adds = places[coded[d + 3] : coded[d + 3] + size]
            if coded[d + 4] == 0:
                for j in range(many):
                    row_keys[j] += adds[codes[j]]
            else:  # days, of which some are before the first place or after the last
                for j in range(many):
                    row_keys[j] += adds[min(max(codes[j] - lowest, 0), size - 1)]
        for d in range(0, len(ordered), 4):
            numbers = rows.numbers[ordered[d]][low : low + many]
            first, many_cuts, stride = ordered[d + 1], ordered[d + 2], ordered[d + 3]
            if many_cuts <= FEW:
                for c in range(first, first + many_cuts):
                    cut = cuts[c]
                    for j in range(many):
                        row_keys[j] += stride if numbers[j] >= cut else 0
            else:
                for j in range(many):
                    number = numbers[j]
                    reached = 0
                    left = many_cuts
                    while left > 0:  # binary search for how many cuts it reaches
                        half = (left + 1) // 2
                        if number >= cuts[first + reached + half - 1]:
                            reached += half
                            left -= half
                        else:
                            left = half - 1
                    row_keys[j] += stride * reached
        for d in range(0, len(beside), 5):
            wanted = own[beside[d + 2] + customer]
            stride, null = beside[d + 3], beside[d + 4]
            for j in range(many):
                if beside[d + 1] == 1:
                    number = rows.numbers[beside[d]][low + j]
                else:
                    number = rows.codes[beside[d]][low + j]
                relation = SAME
                if number != wanted:
                    if number == null or wanted == null:
                        relation = INCOMPARABLE
                    else:
                        relation = LESS if number < wanted else GREATER
                row_keys[j] += stride * relation
        for j in range(many):  # apart from what follows, so that rows do not wait for each other
            key = row_keys[j]
            place = (key ^ (key >> 13) ^ (key >> 29)) & mask
            while keys[place] != key and keys[place] != -1:
                place = (place + 1) & mask
            entry = found[place]
            if keys[place] == -1:
                entry = _learn(classes, gathered.plain, memo, key, place)
            entries[j] = entry
        met = 0
        is_stale = False
        for j in range(many):
            row = low + j
            entry = entries[j]
            if entry < 0 or is_stale:
                entry = _find(classes, gathered.plain, memo, row_keys[j]) if is_stale else -1
            if entry < 0:  # the memo is full: it forgets everything and begins anew
                _pour(pool, touched, met, entry_counts, entry_sums, counts, sums)
                met = 0
                _forget(memo)
                is_stale = True
                entry = _find(classes, gathered.plain, memo, row_keys[j])
            middle = pool[entry]
            end = pool[entry + 1]
            amount = main[row] if main_column >= 0 else 0
            if middle <= entry + FEW_PLAIN + 2:
                for p in range(entry + 2, middle):
                    a = pool[p]
                    counts[a] += 1
                    sums[a] += amount
            else:  # many get them by the entry, when all of the customer's rows are seen
                if entry_counts[entry] == 0:
                    touched[met] = entry
                    met += 1
                entry_counts[entry] += 1
                entry_sums[entry] += amount
            for p in range(middle, end):
                a = pool[p]
                operation, column = operations[a], columns[a]
                first, depth = firsts[a], depths[a]
                if operation == do.LEAST_ROW or operation == do.GREATEST_ROW:
                    number = amount if column == main_column else rows.numbers[column][row]
                    if counts[a] == 0 or (
                        number < sums[a] if operation == do.LEAST_ROW else number > sums[a]
                    ):
                        kept[first] = row
                        sums[a] = number
                        counts[a] = 1
                elif operation == do.LAST:
                    kept[first + (counts[a] & (depth - 1))] = row  # a ring
                    counts[a] += 1
                elif operation == do.FIRST:
                    if counts[a] < depth:
                        kept[first + counts[a]] = row
                        counts[a] += 1
                elif operation == do.DISTINCT:
                    stamp = first + max(rows.codes[column][row] - depth, 0)  # 0 for null
                    if stamps[stamp] != memo.used[2]:
                        stamps[stamp] = memo.used[2]
                        counts[a] += 1
                elif operation == do.SUM:
                    counts[a] += 1
                    sums[a] += rows.numbers[column][row]
                else:
                    kept[first + counts[a]] = rows.numbers[column][row]
                    counts[a] += 1
        _pour(pool, touched, met, entry_counts, entry_sums, counts, sums)
        for a in range(gathered.plain, len(counts)):
            if operations[a] == do.VALUES:
                _sort(kept, firsts[a], counts[a])
        for f in range(0, len(features), 4):
            a, part = features[f], features[f + 1]
            column, position = features[f + 2], features[f + 3]
            kept_rows, first, depth = counts[a], firsts[a], depths[a]
            value = math.nan
            if part == do.COUNTED:
                value = float(kept_rows)
            elif part == do.SUMMED:
                value = float(sums[a])
            elif part == do.MEDIAN:
                if kept_rows > 0:
                    value = float(kept[first + (kept_rows - 1) // 2] + kept[first + kept_rows // 2])
            elif part == do.DIFFERENT:
                different = 0
                for j in range(kept_rows):
                    if j == 0 or kept[first + j] != kept[first + j - 1]:
                        different += 1
                value = float(different)
            elif kept_rows > position:
                last = operations[a] == do.LAST
                row = kept[first + ((kept_rows - 1 - position) & (depth - 1) if last else position)]
                if part == do.NUMBER_AT:
                    number = rows.numbers[column][row]
                    if number != NULL_NUMBER:
                        value = float(number)
                else:
                    code = rows.codes[column][row]
                    if part == do.TEXT_AT:
                        if code != 0:
                            value = float(text_of[texts[column] + code])
                    elif code != NULL_CODE:
                        value = float(code)
            out[f // 4 * apart + customer - start] = value


@part_of_loops
def _first_from(days: Any, low: int, high: int, first_day: int) -> int:
    """The first of some rows, sorted by day, that is not before a day."""
    while low < high:
        middle = (low + high) // 2
        if days[middle] < first_day:
            low = middle + 1
        else:
            high = middle
    return low


@part_of_loops
def _forget(memo: Memo) -> None:
    """Empty a memo."""
    memo.used[0] = 0
    memo.used[1] = 0
    for place in range(len(memo.keys)):
        memo.keys[place] = -1


@part_of_loops
def _find(classes: Classes, plain_ones: int, memo: Memo, key: int) -> int:
    """The entry of a key, which is learnt where it is new; -1 where there is no room for it."""
    mask = len(memo.keys) - 1
    place = (key ^ (key >> 13) ^ (key >> 29)) & mask
    while memo.keys[place] != key and memo.keys[place] != -1:
        place = (place + 1) & mask
    if memo.keys[place] == key:
        entry: int = memo.found[place]
        return entry
    return _learn(classes, plain_ones, memo, key, place)


@part_of_loops
def _learn(classes: Classes, plain_ones: int, memo: Memo, key: int, place: int) -> int:
    """Write the entry of a key that is new: the accumulators that all of its classes allow.

    Returns:
        The entry; -1 where there is no room for it.
    """
    pool, used = memo.pool, memo.used
    if 2 * used[1] > len(memo.keys) or used[0] + len(memo.counts) + 2 > len(pool):
        return -1
    strides, counts, first_word = classes.strides, classes.counts, classes.first_word
    width = classes.words_a_class
    begin = used[0]
    plain = 0
    end = begin + 2
    last = -1
    for w in range(width):
        bits = (1 << BITS) - 1
        for d in range(len(strides)):
            bits &= classes.words[first_word[d] + key // strides[d] % counts[d] * width + w]
        term = w * BITS
        while bits != 0 and term < len(classes.accumulator_of):
            if bits & 1 and classes.accumulator_of[term] != last:
                last = classes.accumulator_of[term]
                pool[end] = last
                end += 1
                if last < plain_ones:
                    plain += 1
            bits >>= 1
            term += 1
    pool[begin] = begin + 2 + plain
    pool[begin + 1] = end
    memo.keys[place] = key
    memo.found[place] = begin
    used[0] = end
    used[1] += 1
    entry: int = begin
    return entry


@part_of_loops
def _pour(
    pool: Any, touched: Any, met: int, entry_counts: Any, entry_sums: Any, counts: Any, sums: Any
) -> None:
    """Give plain accumulators what the entries that a customer met have counted and summed."""
    for t in range(met):
        entry = touched[t]
        count = entry_counts[entry]
        total = entry_sums[entry]
        entry_counts[entry] = 0
        entry_sums[entry] = 0
        for p in range(entry + 2, pool[entry]):
            counts[pool[p]] += count
            sums[pool[p]] += total


@part_of_loops
def _sort(values: Any, first: int, many: int) -> None:
    """Put some values in order, by Shell's sort."""
    gap = many // 2
    while gap > 0:
        for j in range(gap, many):
            value = values[first + j]
            k = j
            while k >= gap and values[first + k - gap] > value:
                values[first + k] = values[first + k - gap]
                k -= gap
            values[first + k] = value
        gap //= 2


def find_repeated(
    offsets: Any,
    days: Any,
    accounts: Any,
    merchants: Any,
    amounts: Any,
    within: int,
    buckets: Any,
    links: Any,
    out: Any,
) -> None:
    """Put 1 into `out`, which holds 0, where a transaction repeats one of a few days before.

    Rows that may be the same are linked in buckets: a day may have a hundred thousand others.

    Args:
        offsets: Of the transactions, by customer.
        days: By transaction, ascending within a customer.
        accounts: By transaction, the code of its account.
        merchants: By transaction, the code of its merchant; 0 for none.
        amounts: By transaction.
        within: How many days apart the two may be.
        buckets: Room for the last row of each; -1 everywhere, and a power of two many.
        links: By transaction, room for the row before it in its bucket.
        out: By transaction.
    """
    mask = len(buckets) - 1
    for customer in range(len(offsets) - 1):
        first = offsets[customer]
        for row in range(first, offsets[customer + 1]):
            if merchants[row] == 0:
                continue
            bucket = ((amounts[row] * 31 + merchants[row]) * 31 + accounts[row]) & mask
            before = buckets[bucket]
            links[row] = before
            buckets[bucket] = row
            while before >= first and days[row] - days[before] <= within:
                if (
                    amounts[before] == amounts[row]
                    and merchants[before] == merchants[row]
                    and accounts[before] == accounts[row]
                ):
                    out[row] = 1
                    break
                before = links[before]


def last_balances(
    offsets: Any,
    days: Any,
    accounts: Any,
    balances: Any,
    row_of: Any,
    account_offsets: Any,
    last_day: int,
    out: Any,
) -> None:
    """Put the last known balance of each account into `out`, which holds nulls.

    Args:
        offsets: Of the transactions, by customer.
        days: By transaction; nothing after the last day counts.
        accounts: By transaction, the code of its account.
        balances: By transaction.
        row_of: By code, the account's row.
        account_offsets: Of the accounts, by customer.
        last_day: The day as of which the balances are asked.
        out: By row of the accounts.
    """
    for customer in range(len(offsets) - 1):
        missing = account_offsets[customer + 1] - account_offsets[customer]
        row = offsets[customer + 1] - 1
        while missing > 0 and row >= offsets[customer]:
            if days[row] <= last_day and balances[row] != NULL_NUMBER:
                account = row_of[accounts[row]]
                if out[account] == NULL_NUMBER:
                    out[account] = balances[row]
                    missing -= 1
            row -= 1
