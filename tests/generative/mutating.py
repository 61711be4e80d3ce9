"""Damaged files, and the way in which reading them ends."""

import random
from typing import Final

from tuppence.adapters.embedded.rejects import rejects_csv
from tuppence.bankdata.tabular import ParsedTable

TEXTS: Final = [
    *',;\t|"\'\n\r()-+.0919 £$€−\u00a0\u202f\u2028\ufeff\0é漢٣½\x1a\x1f→\x7f',
    '""', '"\n', "\r\n", "CR", "DR", "1.234", "1,234", "e9", "NaN", "inf", "9" * 25, "0" * 20,
    "4111111111111111", "2026-13-45", "31/06/2026", "row,reason,", "of customer", "→amount",
    "column 2", "=1+1", "%d", "x" * 1_100, ",,,,,,", "\n\n", "Total", "\\",
]  # fmt: skip


BYTES: Final = [
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80",
    b"\0" * 4,
]  # fmt: skip


PIECES: Final = [*(text.encode() for text in TEXTS), *BYTES]


def mutated(data: bytes, others: bytes, chance: random.Random) -> bytes:
    """Return a file with bytes put in, taken out, doubled or changed, cut off, or other lines.

    Args:
        data: The file.
        others: A file whose lines may be put in.
        chance: Decides.
    """
    for _ in range(chance.randint(1, 6)):
        place = chance.randint(0, len(data))
        end = min(len(data), place + chance.randint(1, 12))
        match chance.randrange(9):
            case 0:
                data = data[:place] + chance.choice(PIECES) + data[place:]
            case 1:
                data = data[:place] + data[end:]
            case 2:
                data = data[:end] + data[place:]
            case 3:
                data = data[:place] + chance.choice(PIECES) + data[end:]
            case 4:
                data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
            case 5 if data:
                bit = 1 << chance.randrange(8)
                place = min(place, len(data) - 1)
                data = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            case 6 if chance.random() < 0.2:
                data = data[:place]
            case 7:
                lines = data.split(b"\n")
                chance.shuffle(lines)
                data = b"\n".join(lines)
            case 8:
                line = chance.choice(others.split(b"\n"))
                data = data[:place] + b"\n" + line + b"\n" + data[place:]
    return data


def end_of(found: ParsedTable, taken: int, reason: str = "reason") -> str:
    """Return how reading ended, after looking at the rows that were set aside.

    Args:
        found: The outcome of reading the file.
        taken: Number of rows that can be imported.
        reason: The column of the reasons; the file may have one called `reason`.
    """
    if found.rejects.height:
        rejects_csv(found.rejects)
        assert found.rejects[reason].null_count() == 0
    return "rows" if taken else "rejects"
