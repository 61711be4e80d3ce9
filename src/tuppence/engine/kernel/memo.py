"""Maps the key of a row to the accumulators that the row feeds."""

from tuppence.compiled import part_of_loops
from tuppence.engine.kernel.layout import TERM_BITS, Classes, Memo


@part_of_loops
def place_of(key: int, mask: int) -> int:
    """Return the first place of a key in the hash table."""
    return (key ^ (key >> 13) ^ (key >> 29)) & mask


@part_of_loops
def find(classes: Classes, plain: int, memo: Memo, key: int) -> int:
    """Return the entry of a key, inserting it if it is new; -1 if there is no space for it."""
    mask = len(memo.keys) - 1
    place = place_of(key, mask)
    while memo.keys[place] != key and memo.keys[place] != -1:
        place = (place + 1) & mask
    if memo.keys[place] == key:
        entry: int = memo.found[place]
        return entry
    return insert(classes, plain, memo, key, place)


@part_of_loops
def insert(classes: Classes, plain: int, memo: Memo, key: int, place: int) -> int:
    """Write the entry of a new key: the accumulators of the terms that all of its classes satisfy.

    Returns:
        The entry; -1 if there is no space for it.
    """
    pool, used = memo.pool, memo.used
    if 2 * used[1] > len(memo.keys) or used[0] + len(memo.counts) + 2 > len(pool):
        return -1
    strides, counts, first_word = classes.strides, classes.counts, classes.first_word
    width = classes.words_a_class
    begin = used[0]
    plain_end = begin + 2
    end = begin + 2
    last = -1
    for w in range(width):
        bits = (1 << TERM_BITS) - 1
        for d in range(len(strides)):
            bits &= classes.words[first_word[d] + key // strides[d] % counts[d] * width + w]
        term = w * TERM_BITS
        while bits != 0 and term < len(classes.accumulator_of):
            if bits & 1 and classes.accumulator_of[term] != last:
                last = classes.accumulator_of[term]
                pool[end] = last
                end += 1
                if last < plain:
                    plain_end += 1
            bits >>= 1
            term += 1
    pool[begin] = plain_end
    pool[begin + 1] = end
    memo.keys[place] = key
    memo.found[place] = begin
    used[0] = end
    used[1] += 1
    entry: int = begin
    return entry


@part_of_loops
def flush(memo: Memo, met: int) -> None:
    """Add the counts and sums of the first `met` touched entries to their plain accumulators."""
    pool, touched = memo.pool, memo.touched
    for t in range(met):
        entry = touched[t]
        count = memo.entry_counts[entry]
        total = memo.entry_sums[entry]
        memo.entry_counts[entry] = 0
        memo.entry_sums[entry] = 0
        for p in range(entry + 2, pool[entry]):
            memo.counts[pool[p]] += count
            memo.sums[pool[p]] += total


@part_of_loops
def clear(memo: Memo) -> None:
    """Empty the memo."""
    memo.used[0] = 0
    memo.used[1] = 0
    memo.keys[:] = -1
