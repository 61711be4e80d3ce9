"""Damaged tables of banks end in rows, in rejects or in one clear error, never in a traceback."""

import random
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from tests.building import TOKENS
from tests.unit.bankdata.test_import import TODAY

from tuppence.bankdata.mapping import Mapping, read_mapping
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.errors import UserError
from tuppence.facts.schema import Schema

CONSTANTS: Final = "constants: {account: main, customer: me, currency: GBP}\n"
STATEMENT: Final = (
    "table: transactions\n"
    "columns: {booking date: Date, text: Text, amount: Amount, balance: Balance}\n" + CONSTANTS,
    (
        'Date,Text,Amount,Balance\n2026-06-01,"TEA, ""HOT""",-1.50,98.50\n'
        "2026-06-02,£ RENT,(1,2),1.5CR\n2026-06-03,PAY,2000.00,2098.50\n"
    ),
)
SIDES: Final = (
    (
        "table: transactions\ncolumns: {booking date: Datum, text: [Wer, Was]}\n"
        f"{CONSTANTS}sign: {{paid_out: Soll, paid_in: Haben}}\ndate_format: '%d.%m.%Y'\n"
        "decimal_point: ','\ndelimiter: ';'\nwithout: {Wer: [Saldo]}\n"
    ),
    (
        "Konto;1\n\nDatum;Wer;Was;Soll;Haben\n24.06.2026;A;b;12,50;\n20.06.2026;C;;;1.100,00\n"
        "01.06.2026;Saldo;;;1,00\n"
    ),
)
NUMBERED: Final = (
    (
        "table: transactions\ncolumns: {booking date: column 1, amount: {add: [column 2], "
        f"subtract: [column 3]}}}}\n{CONSTANTS}sign: {{column: column 4}}\n"
        "date_format: '%Y-%m-%dT%H:%M:%S%z'\nencoding: windows-1252\n"
    ),
    "2026-06-01T00:00:00Z,5.00,0.10,DR\n2026-06-01T00:00:00+0100,7,,CR\n",
)
ACCOUNTS: Final = (
    (
        "table: accounts\ncolumns: {id: Id, customer: Owner, type: Type, credit limit: Limit}\n"
        "constants: {currency: GBP}\n"
    ),
    "Id,Owner,Type,Limit\n1,ann,current,500\n2,bob,savings,\n",
)
SOURCES: Final = (STATEMENT, SIDES, NUMBERED, ACCOUNTS)
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


def mutated(source: str, chance: random.Random) -> bytes:
    """Return a file with some bytes put in, taken out, doubled, moved or changed."""
    data = source.encode(
        chance.choice(["utf-8", "utf-8", "utf-8", "windows-1252", "utf-16"]), "replace"
    )
    for _ in range(chance.randint(1, 6)):
        place = chance.randint(0, len(data))
        end = min(len(data), place + chance.randint(1, 12))
        match chance.randrange(5):
            case 0:
                data = data[:place] + chance.choice(PIECES) + data[place:]
            case 1:
                data = data[:place] + data[end:]
            case 2:
                data = data[:end] + data[place:]
            case 3:
                data = data[:place] + chance.choice(PIECES) + data[end:]
            case _:
                data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
    return data


def check(path: Path, data: bytes, mapping: Mapping) -> str:
    """Read a file, and return how that ended: in rows, in rejects alone, or in an error."""
    path.write_bytes(data)
    empty = {"id": pl.String, "currency": pl.String}
    owners = Owners(
        pl.DataFrame(schema=empty), pl.DataFrame(schema={**empty, "customer": pl.String})
    )
    try:
        found = read_table(path, mapping, Schema(), owners, TODAY, TOKENS)
    except UserError as error:
        return error.code if path.name in error.message else f"{error.code} without the file"
    taken = found.rows.tables().get(mapping.table, pl.DataFrame()).height
    left_out = sum(count for _, count in found.left_out)
    assert taken + found.rejects.height + left_out == found.count
    assert found.rejects.to_series(1).null_count() == 0
    return "rows" if taken else "rejects"


def run(folder: Path, count: int, seed: int) -> set[str]:
    mappings = []
    for number, (text, source) in enumerate(SOURCES):
        (folder / f"{number}.yaml").write_text(text)
        mappings.append((read_mapping(folder / f"{number}.yaml", Schema()), source))
    ended: set[str] = set()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        mapping, source = chance.choice(mappings)
        ended.add(check(folder / "bank.csv", mutated(source, chance), mapping))
    assert not [end for end in ended if end.endswith("without the file")]
    return ended


def test_a_damaged_table_ends_in_rows_rejects_or_one_error(tmp_path: Path) -> None:
    assert {"rows", "rejects", "file.encoding", "import.unknown-column"} <= run(tmp_path, 250, 1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_200_000_damaged_tables_end_in_rows_rejects_or_one_error(tmp_path: Path, seed: int) -> None:
    assert {"rows", "rejects"} <= run(tmp_path, 10_000, 100 + seed)
