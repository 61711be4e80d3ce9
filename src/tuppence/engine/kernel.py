"""The loops over rows and customers: the one place where time is spent.

Both functions are plain Python over tables of numbers. Compiled, they run over arrays; where there
is no compiler they run as they are, over lists of lists, and say the same. So there is nothing in
them that arrays and lists do not share.

`gather` goes through the rows of a table once. What a row means to the ruleset depends only on the
classes that its fields belong to: the kinds of day, of category, of amount that filters can tell
apart. The classes together are a key, and a memo says for each key which accumulators the row goes
into; a key that is new is worked out from one set of bits a class. No filter is tested twice.

`compute` runs the program over a block of customers, an instruction at a time. Numbers are floats,
each with a bound on its distance from the exact decimal: sums and products carry their rounding
errors along, found without loss (T. J. Dekker, "A floating-point technique for extending the
available precision", 1971; D. E. Knuth, TAOCP 2, 4.2.2). A comparison that the bound cannot decide
is unsure, and the reference engine evaluates that pair.
"""

import math
from typing import Any, Final, NamedTuple

from tuppence.plan import instructions as do
from tuppence.plan.literals import GREATER, INCOMPARABLE, LESS, SAME

BLOCK: Final = 128
"""Customers whose registers are worked on together, so that they stay in the cache."""

BITS: Final = 62
"""Terms in a word."""

NULL_NUMBER: Final = -(2**63)
NULL_CODE: Final = -(2**31)
SPLITTER: Final = 134_217_729.0
FEW: Final = 16
"""Up to so many cuts are quicker tried one after another than searched."""

WHOLE: Final = 9.0e15
"""Floats below this can be any whole number."""

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
        found: Where in `pool` the list of a key begins: how many plain, how many, then all of them.
        pool: The lists.
        used: How much of the pool is taken, and how many keys there are.
        row_keys: Room for the rows of one customer.
        counts: By accumulator.
        sums: By accumulator.
        kept: Rows by place, and values of those that keep values.
        stamps: By place, the customer that was seen last.
    """

    keys: Any
    found: Any
    pool: Any
    used: Any
    row_keys: Any
    counts: Any
    sums: Any
    kept: Any
    stamps: Any


def gather(
    rows: Rows, classes: Classes, gathered: Gathered, memo: Memo, start: int, stop: int, out: Any
) -> None:
    """Gather a table's features for customers start to stop, at most a block, into `out`.

    There a feature has BLOCK places, one after another.
    """
    coded, places, ordered, cuts = classes.coded, classes.places, classes.ordered, classes.cuts
    beside, own = classes.beside, classes.own
    strides, counts_of, first_word = classes.strides, classes.counts, classes.first_word
    words, width, accumulator_of = classes.words, classes.words_a_class, classes.accumulator_of
    operations, columns = gathered.operations, gathered.columns
    firsts, depths = gathered.firsts, gathered.depths
    features, texts, text_of = gathered.features, gathered.texts, gathered.text_of
    keys, found, pool, used = memo.keys, memo.found, memo.pool, memo.used
    row_keys, counts, sums, kept, stamps = (
        memo.row_keys,
        memo.counts,
        memo.sums,
        memo.kept,
        memo.stamps,
    )
    mask = len(keys) - 1
    main = rows.numbers[max(gathered.main, 0)]
    for customer in range(start, stop):
        low = rows.offsets[customer]
        many = rows.offsets[customer + 1] - low
        for a in range(len(operations)):
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
        for j in range(many):
            row = low + j
            key = row_keys[j]
            place = (key ^ (key >> 13) ^ (key >> 29)) & mask
            while keys[place] != key and keys[place] != -1:
                place = (place + 1) & mask
            if keys[place] == -1:
                if 2 * used[1] > mask or used[0] + len(operations) + 2 > len(pool):
                    for p in range(len(keys)):  # full: forget everything and begin anew
                        keys[p] = -1
                    used[0] = 0
                    used[1] = 0
                    place = (key ^ (key >> 13) ^ (key >> 29)) & mask
                keys[place] = key
                found[place] = used[0]
                used[1] += 1
                plain = 0
                end = used[0] + 2
                last = -1
                for w in range(width):
                    bits = (1 << BITS) - 1
                    for d in range(len(strides)):
                        row_class = key // strides[d] % counts_of[d]
                        bits &= words[first_word[d] + row_class * width + w]
                    term = w * BITS
                    while bits != 0:
                        if bits & 1 and accumulator_of[term] != last:
                            last = accumulator_of[term]
                            pool[end] = last
                            end += 1
                            if last < gathered.plain:
                                plain += 1
                        bits >>= 1
                        term += 1
                pool[used[0]] = used[0] + 2 + plain
                pool[used[0] + 1] = end
                used[0] = end
            begin = found[place]
            middle = pool[begin]
            end = pool[begin + 1]
            if end == begin + 2:
                continue
            amount = main[row]
            for p in range(begin + 2, middle):
                a = pool[p]
                counts[a] += 1
                sums[a] += amount
            for p in range(middle, end):
                a = pool[p]
                operation, column = operations[a], columns[a]
                first, depth = firsts[a], depths[a]
                if operation == do.LEAST_ROW or operation == do.GREATEST_ROW:
                    number = amount if column == gathered.main else rows.numbers[column][row]
                    if counts[a] == 0 or (
                        number < sums[a] if operation == do.LEAST_ROW else number > sums[a]
                    ):
                        kept[first] = row
                        sums[a] = number
                        counts[a] = 1
                elif operation == do.FIRST:
                    if counts[a] < depth:
                        kept[first + counts[a]] = row
                        counts[a] += 1
                elif operation == do.LAST:
                    kept[first + (counts[a] & (depth - 1))] = row  # a ring
                    counts[a] += 1
                elif operation == do.DISTINCT:
                    stamp = first + rows.codes[column][row] - depth
                    if stamps[stamp] != customer + 1:
                        stamps[stamp] = customer + 1
                        counts[a] += 1
                elif operation == do.SUM:
                    counts[a] += 1
                    sums[a] += rows.numbers[column][row]
                else:
                    kept[first + counts[a]] = rows.numbers[column][row]
                    counts[a] += 1
        for a in range(len(operations)):
            if operations[a] == do.VALUES and counts[a] > 1:
                first = firsts[a]
                gap = counts[a] // 2
                while gap > 0:  # Shell's sort
                    for j in range(gap, counts[a]):
                        number = kept[first + j]
                        k = j
                        while k >= gap and kept[first + k - gap] > number:
                            kept[first + k] = kept[first + k - gap]
                            k -= gap
                        kept[first + k] = number
                    gap //= 2
        for f in range(0, len(features), 4):
            a, part = features[f], features[f + 1]
            column, position = features[f + 2], features[f + 3]
            many_kept = counts[a]
            value = math.nan
            if part == do.COUNTED:
                value = float(many_kept)
            elif part == do.SUMMED:
                value = float(sums[a])
            elif part == do.MEDIAN:
                if many_kept > 0:
                    first = firsts[a]
                    value = float(
                        kept[first + (many_kept - 1) // 2] + kept[first + many_kept // 2]
                    )
            elif part == do.DIFFERENT:
                first = firsts[a]
                different = 0
                for j in range(many_kept):
                    if j == 0 or kept[first + j] != kept[first + j - 1]:
                        different += 1
                value = float(different)
            elif many_kept > position:
                depth = depths[a]
                place = position
                if operations[a] == do.LAST:
                    place = (many_kept - 1 - position) & (depth - 1)
                row = kept[firsts[a] + place]
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
            out[f // 4 * BLOCK + customer - start] = value


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


def compute(
    code: Any,
    starts: Any,
    limits: Any,
    rows: Any,
    troubles: Any,
    many: int,
    first: int,
    registers: Any,
    errors: Any,
    masks: Any,
    scratch: Any,
    kinds_of: Any,
    states: Any,
    scores: Any,
    values: Any,
    kinds: Any,
    signatures: Any,
) -> None:
    """Run the program for the `many` customers of a block, the first of them customer `first`.

    Args:
        code: Operation, destination, left, right, third; and so on.
        starts: By rule, where its first instruction is.
        limits: By rule, how many rows a customer may have.
        rows: By customer of the block, how many there are.
        troubles: Registers that are above zero where sums are not exact.
        registers: Numbers, with features, fields and constants filled in.
        errors: Bounds on their distance from the exact values.
        masks: Conditions, with fields and constants filled in.
        scratch: Two rows of room: hashes, and whether something is missing.
        kinds_of: By value, the kind that it has where it is exact.
        states: (rules, customers), to be filled.
        scores: (rules, customers), in ten-thousandths, -1 for null, to be filled.
        values: (values, customers): in ten-thousandths, days, numbers of texts, to be filled.
        kinds: (values, customers), to be filled.
        signatures: (rules, customers), zero on entry. Where a result is unknown or a part of it is
            null, what was null on the way: pairs of a rule with the same number have the same
            reasons.
    """
    hashes, lacking = scratch[0], scratch[1]
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
        if operation == do.ADD or operation == do.SUBTRACT:
            a, b, r = registers[left], registers[right], registers[d]
            ea, eb, e = errors[left], errors[right], errors[d]
            sign = 1.0 if operation == do.ADD else -1.0
            for i in range(many):
                x = a[i]
                y = sign * b[i]
                bound = ea[i] + eb[i]
                z = x + y
                rest = z - x
                bound += abs((x - (z - rest)) + (y - rest))
                r[i] = z
                e[i] = bound * 1.000001 if z == z else (0.0 if ea[i] + eb[i] < math.inf else math.inf)
        elif operation == do.MULTIPLY:
            a, b, r = registers[left], registers[right], registers[d]
            ea, eb, e = errors[left], errors[right], errors[d]
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
                r[i] = z
                e[i] = bound * 1.000001 if z == z else (0.0 if ea[i] + eb[i] < math.inf else math.inf)
        elif operation == do.DIVIDE:
            a, b, r = registers[left], registers[right], registers[d]
            ea, eb, e = errors[left], errors[right], errors[d]
            for i in range(many):
                x = a[i]
                y = b[i]
                room = abs(y) - eb[i]
                z = x / y if y != 0.0 else math.nan
                c = SPLITTER * z
                x_high = c - (c - z)
                x_low = z - x_high
                c = SPLITTER * y
                y_high = c - (c - y)
                y_low = y - y_high
                back = z * y
                rest = x_low * y_low - (
                    ((back - x_high * y_high) - x_low * y_high) - x_high * y_low
                )
                over = abs((x - back) - rest) + ea[i] + abs(z) * eb[i]
                near = room if room > 0.0 else 1.0
                bound = over / near * 1.000001 if room > 0.0 else math.inf
                r[i] = z
                if z != z:  # null, or divided by what may be zero
                    bound = 0.0 if ea[i] + eb[i] < math.inf and eb[i] == 0.0 else math.inf
                    bound = 0.0 if (x != x or y != y) and ea[i] + eb[i] < math.inf else bound
                e[i] = bound
        elif operation == do.LEAST or operation == do.GREATEST:
            a, b, r = registers[left], registers[right], registers[d]
            ea, eb, e = errors[left], errors[right], errors[d]
            sign = 1.0 if operation == do.LEAST else -1.0
            for i in range(many):
                x = a[i]
                y = b[i]
                gap = sign * (y - x)
                one = ea[i]
                other = eb[i]
                larger = one if one > other else other
                bound = one if gap >= 0.0 else other
                bound = bound if abs(gap) > one + other else larger
                null = gap != gap
                r[i] = math.nan if null else (x if gap >= 0.0 else y)
                e[i] = (0.0 if one + other < math.inf else math.inf) if null else bound
        elif operation == do.ABSOLUTE:
            a, r, ea, e = registers[left], registers[d], errors[left], errors[d]
            for i in range(many):
                r[i] = abs(a[i])
                e[i] = ea[i]
        elif operation == do.ROUND:
            a, r, ea, e = registers[left], registers[d], errors[left], errors[d]
            for i in range(many):
                x = a[i]
                if x != x or abs(x) >= WHOLE:
                    r[i] = x
                    e[i] = ea[i]
                else:
                    below = float(math.floor(x))
                    part = x - below
                    halves = (
                        right == do.HALF_EVEN or right == do.HALF_UP or right == do.HALF_DOWN
                    )
                    if right == do.FLOOR:
                        up = False
                    elif right == do.CEILING:
                        up = part > 0.0
                    elif right == do.UP:
                        up = part > 0.0 and x > 0.0
                    elif right == do.DOWN:
                        up = part > 0.0 and x < 0.0
                    elif part != 0.5:
                        up = part > 0.5
                    elif right == do.HALF_EVEN:
                        up = below % 2.0 == 1.0
                    else:
                        up = (x > 0.0) == (right == do.HALF_UP)
                    near = abs(part - 0.5) if halves else min(part, 1.0 - part)
                    r[i] = below + 1.0 if up else below
                    e[i] = 0.0 if ea[i] == 0.0 or near > ea[i] else math.inf
        elif operation == do.SELECT:
            a, b, r, held = registers[left], registers[right], registers[d], masks[third]
            ea, eb, e = errors[left], errors[right], errors[d]
            for i in range(many):
                true = held[i] & do.TRUE != 0
                x = a[i] if true else b[i]
                bound = ea[i] if true else eb[i]
                r[i] = x
                e[i] = math.inf if held[i] & do.UNSURE != 0 else bound
        elif operation >= do.YEAR and operation <= do.WEEKDAY:
            a, r, ea, e = registers[left], registers[d], errors[left], errors[d]
            for i in range(many):
                r[i] = math.nan
                e[i] = ea[i]
                if a[i] == a[i] and abs(a[i]) < WHOLE:
                    day = int(a[i])
                    if operation == do.WEEKDAY:
                        r[i] = float((day + 3) % 7 + 1)
                    else:  # after Howard Hinnant, as `feel.values.civil`
                        era = (day + 719_468) // 146_097
                        of_era = (day + 719_468) % 146_097
                        year = (
                            of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096
                        ) // 365
                        of_year = of_era - (365 * year + year // 4 - year // 100)
                        shifted = (5 * of_year + 2) // 153
                        month = shifted + 3 if shifted < 10 else shifted - 9
                        if operation == do.YEAR:
                            r[i] = float(year + era * 400 + (1 if month <= 2 else 0))
                        elif operation == do.MONTH:
                            r[i] = float(month)
                        else:
                            r[i] = float(of_year - (153 * shifted + 2) // 5 + 1)
        elif operation == do.LESS:
            a, b, mask = registers[left], registers[right], masks[d]
            ea, eb = errors[left], errors[right]
            for i in range(many):  # without branches, so that several customers go at once
                gap = b[i] - a[i]
                bound = ea[i] + eb[i]
                true = gap > bound
                false = (gap < -bound) | ((bound == 0.0) & (gap <= 0.0))
                known = true | false | ((gap != gap) & (bound == 0.0))
                mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(known)
        elif operation == do.LESS_OR_EQUAL:
            a, b, mask = registers[left], registers[right], masks[d]
            ea, eb = errors[left], errors[right]
            for i in range(many):
                gap = b[i] - a[i]
                bound = ea[i] + eb[i]
                true = (gap > bound) | ((bound == 0.0) & (gap >= 0.0))
                false = gap < -bound
                known = true | false | ((gap != gap) & (bound == 0.0))
                mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(known)
        elif operation == do.EQUAL:
            a, b, mask = registers[left], registers[right], masks[d]
            ea, eb = errors[left], errors[right]
            for i in range(many):
                x = a[i]
                y = b[i]
                exact = ea[i] + eb[i] == 0.0
                null = (x != x) | (y != y)
                true = exact & ((x == y) | ((x != x) & (y != y)))
                false = (abs(x - y) > ea[i] + eb[i]) | (exact & null & ((x == x) | (y == y)))
                mask[i] = int(true) + 2 * int(false) + 4 - 4 * int(true | false)
        elif operation == do.IS_NULL:
            a, ea, mask = registers[left], errors[left], masks[d]
            for i in range(many):
                bits = do.TRUE if a[i] != a[i] else do.FALSE
                mask[i] = do.UNSURE if ea[i] == math.inf else bits
        elif operation == do.AND:
            p, q, mask = masks[left], masks[right], masks[d]
            for i in range(many):
                one = (p[i] & q[i] & do.TRUE) | ((p[i] | q[i]) & do.FALSE)
                mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 1))
        elif operation == do.OR:
            p, q, mask = masks[left], masks[right], masks[d]
            for i in range(many):
                one = ((p[i] | q[i]) & do.TRUE) | (p[i] & q[i] & do.FALSE)
                mask[i] = one | ((p[i] | q[i]) & do.UNSURE & ~(one << 2))
        elif operation == do.NOT:
            p, mask = masks[left], masks[d]
            for i in range(many):
                bits = p[i]
                mask[i] = ((bits & do.TRUE) << 1) | ((bits & do.FALSE) >> 1) | (bits & do.UNSURE)
        elif operation == do.CHOOSE:
            p, q, held, mask = masks[left], masks[right], masks[third], masks[d]
            for i in range(many):
                bits = p[i] if held[i] & do.TRUE != 0 else q[i]
                mask[i] = do.UNSURE if held[i] & do.UNSURE != 0 else bits
        elif operation == do.UNDECIDED:
            p, mask = masks[left], masks[d]
            for i in range(many):
                bits = do.TRUE if p[i] == 0 else do.FALSE
                mask[i] = do.UNSURE if p[i] & do.UNSURE != 0 else bits
        elif operation == do.STATE:
            p, q, state_of = masks[left], masks[right], states[d]
            for i in range(many):
                state = UNKNOWN
                if p[i] & do.TRUE != 0:
                    state = QUALIFIED
                elif p[i] & do.FALSE != 0:
                    state = NOT_QUALIFIED
                if q[i] & do.TRUE != 0:
                    state = SHORT_HISTORY
                elif (p[i] | q[i]) & do.UNSURE != 0 or rows[i] > limits[d]:
                    state = UNSURE
                for t in range(len(troubles)):
                    if state != SHORT_HISTORY and registers[troubles[t]][i] > 0.0:
                        state = UNSURE
                state_of[first + i] = state
                lacking[i] = 0
        elif operation == do.SCORE:
            a, ea = registers[left], errors[left]
            state_of, score_of = states[d], scores[d]
            for i in range(many):
                if state_of[first + i] == QUALIFIED:
                    x = a[i]
                    score_of[first + i] = -1
                    if x != x:
                        lacking[i] = 1
                        if ea[i] != 0.0:
                            state_of[first + i] = UNSURE
                    else:
                        below = math.floor(x)
                        part = x - below
                        if ea[i] != 0.0 and not abs(part - 0.5) > ea[i]:
                            state_of[first + i] = UNSURE
                        up = part > 0.5 or (part == 0.5 and below % 2 == 1)
                        score_of[first + i] = int(below) + (1 if up else 0)
        elif operation == do.NUMBER:
            a, ea = registers[left], errors[left]
            state_of, value_of, kind_of = states[right], values[d], kinds[d]
            for i in range(many):
                if state_of[first + i] == QUALIFIED:
                    x = a[i]
                    kind_of[first + i] = MISSING
                    if x != x:
                        lacking[i] = 1
                        if ea[i] != 0.0:
                            state_of[first + i] = UNSURE
                    elif abs(x) >= WHOLE:
                        state_of[first + i] = UNSURE
                    else:
                        below = math.floor(x)
                        part = x - below
                        if ea[i] != 0.0 and not abs(part - 0.5) > ea[i]:
                            state_of[first + i] = UNSURE
                        up = part > 0.5 or (part == 0.5 and below % 2 == 1)
                        value_of[first + i] = int(below) + (1 if up else 0)
                        kind_of[first + i] = NUMBER
        elif operation == do.EXACT:
            a, ea = registers[left], errors[left]
            state_of, value_of, kind_of = states[right], values[d], kinds[d]
            for i in range(many):
                if state_of[first + i] == QUALIFIED:
                    kind_of[first + i] = MISSING
                    if ea[i] != 0.0:
                        state_of[first + i] = UNSURE
                    elif a[i] != a[i]:
                        lacking[i] = 1
                    else:
                        value_of[first + i] = int(a[i])
                        kind_of[first + i] = kinds_of[d]
        elif operation == do.CONDITION:
            p = masks[left]
            state_of, value_of, kind_of = states[right], values[d], kinds[d]
            for i in range(many):
                if state_of[first + i] == QUALIFIED:
                    kind_of[first + i] = MISSING
                    if p[i] & do.UNSURE != 0:
                        state_of[first + i] = UNSURE
                    elif p[i] == 0:
                        lacking[i] = 1
                    else:
                        value_of[first + i] = p[i] & do.TRUE
                        kind_of[first + i] = BOOLEAN
        elif hashing:  # the end of a rule, for the second time
            state_of, signature_of = states[d], signatures[d]
            for i in range(many):
                state = state_of[first + i]
                if state == UNKNOWN or (state == QUALIFIED and lacking[i] != 0):
                    signature_of[first + i] = hashes[i] + 1
            hashing = False
        else:
            state_of = states[d]
            for i in range(many):
                state = state_of[first + i]
                hashes[i] = 0
                if state == UNKNOWN or (state == QUALIFIED and lacking[i] != 0):
                    hashing = True
            if hashing:
                k = starts[d]
        if hashing and operation < do.STATE:
            for i in range(many):
                what = 0
                if operation <= do.WEEKDAY or operation <= do.IS_NULL and operation >= do.LESS:
                    what += 1 if registers[left][i] != registers[left][i] else 0
                    if operation != do.ROUND:
                        what += 2 if registers[right][i] != registers[right][i] else 0
                if operation >= do.LESS:
                    what += 4 * masks[d][i]
                if operation == do.SELECT or operation == do.CHOOSE:
                    what += 32 * masks[third][i]
                hashes[i] = (hashes[i] * 1_000_003 + what + 1) % 2_147_483_647
