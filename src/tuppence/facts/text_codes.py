"""Codes of texts that lie one after another in bytes, as Arrow holds them."""

from typing import Any

import numpy as np

from tuppence.compiled import loop
from tuppence.facts.batch import Array, Column
from tuppence.facts.schema import FieldType


def coded_texts(data: Array, offsets: Array, is_null: Array, decimals: int = 0) -> Column:
    """Return texts as a column; codes are in the order of first use.

    Args:
        data: The bytes of all texts, in UTF-8.
        offsets: First byte of each text, and the end of the last.
        is_null: Whether each text is null.
        decimals: Decimals of the column.
    """
    count = len(is_null)
    codes, firsts = np.zeros(count, np.uint32), np.zeros(count, np.int64)
    table = np.zeros(1 << max(4, (2 * count).bit_length()), np.uint32)
    found = np.zeros(1, np.int64)
    _code(data, offsets, is_null, table, firsts, codes, found)
    whole = data.tobytes()
    used = firsts[: found[0]]
    ends = zip(offsets[used].tolist(), offsets[used + 1].tolist(), strict=True)
    dictionary = (whole[start:end].decode() for start, end in ends)
    return Column(FieldType.TEXT, codes, (None, *dictionary), decimals)


@loop
def _code(
    data: Any, offsets: Any, is_null: Any, table: Any, firsts: Any, codes: Any, found: Any
) -> None:
    """Write the code of each text, and the first text of each code.

    Args:
        data: The bytes of all texts.
        offsets: First byte of each text, and the end of the last.
        is_null: Whether each text is null.
        table: Array for a hash table of codes, filled with zeros; its length is a power of two.
        firsts: First text of each code.
        codes: Codes by text, 0 for null.
        found: Number of codes.
    """
    mask = len(table) - 1
    for i in range(len(codes)):
        codes[i] = 0
        if is_null[i]:
            continue
        start, length = offsets[i], offsets[i + 1] - offsets[i]
        mixed = 0
        for byte in range(length):
            mixed = ((mixed ^ int(data[start + byte])) * 16_777_619) & 0x7FFF_FFFF
        slot = (mixed ^ (mixed >> 15)) & mask
        code = 0
        while code == 0:
            code = table[slot]
            if code == 0:
                firsts[found[0]] = i
                found[0] += 1
                code = found[0]
                table[slot] = code
                continue
            other = offsets[firsts[code - 1]]
            same = offsets[firsts[code - 1] + 1] - other == length
            byte = 0
            while same and byte < length:
                same = data[other + byte] == data[start + byte]
                byte += 1
            if not same:
                code = 0
                slot = (slot + 1) & mask
        codes[i] = code
