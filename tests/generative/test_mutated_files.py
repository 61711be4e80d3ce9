"""Damaged files of banks end in rows, in rejects or in one clear error, never in a traceback.

python -m tests.generative.test_mutated_files 200000     as many as you like, in one process
"""

import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from tests.building import NOBODY, TOKENS
from tests.generative.mutating import end_of, mutated
from tests.statements import TODAY

from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.mapping import TableMapping, read_mapping
from tuppence.bankdata.records import Items
from tuppence.bankdata.statement import read_statement
from tuppence.bankdata.tabular import read_table
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
TABLES: Final = (STATEMENT, SIDES, NUMBERED, ACCOUNTS)
EUR: Final = {"amount": "-3.20", "currency": "EUR"}
UK_TRANSACTION: Final = {
    "AccountId": "22289", "TransactionId": "7", "Status": "Booked", "CreditDebitIndicator": "Debit",
    "Amount": {"Amount": "12.50", "Currency": "GBP"}, "BookingDateTime": "2026-06-24T10:00:00Z",
    "TransactionInformation": "GREEN BASKET, CARD 4111 1111 1111 1111",
    "MerchantDetails": {"MerchantName": "Green Basket", "MerchantCategoryCode": "5411"},
}  # fmt: skip
DOCUMENTS: Final[tuple[tuple[Items, Any], ...]] = (
    (
        open_banking.items,
        {"Data": {
            "Account": [{"AccountId": "22289", "Currency": "GBP", "AccountSubType": "Savings"}],
            "Transaction": [UK_TRANSACTION, {**UK_TRANSACTION, "Status": "Pending"}],
            "Balance": [{"AccountId": "22289", "Type": "InterimBooked", "CreditDebitIndicator":
                "Credit", "DateTime": "2026-06-24T11:00:00Z",
                "Amount": {"Amount": "1.00", "Currency": "GBP"},
                "CreditLine": [{"Type": "Pre-Agreed", "Amount":
                    {"Amount": "100", "Currency": "GBP"}}]}],
            "Party": [{"PartyType": "Sole", "Address": [{"Country": "GB"}]}],
        }},
    ),
    (
        open_banking.items,
        {"Data": {"ConsentId": "c1", "Status": "Authorised", "Permissions": ["ReadAccountsBasic"],
            "StatusUpdateDateTime": "2026-06-01T00:00:00Z",
            "CreationDateTime": "2026-06-01T00:00:00Z"}},
    ),
    (
        berlin_group.items,
        {"account": {"iban": "FR7612345987650123456789014"},
         "balances": [{"balanceType": "closingBooked", "referenceDate": "2026-06-14",
            "balanceAmount": EUR}],
         "transactions": {"booked": [
            {"bookingDate": "2026-06-14", "transactionAmount": EUR, "transactionId": "9998",
             "creditorName": "CAFE", "bankTransactionCode": "PMNT-CCRD-POSD",
             "balanceAfterTransaction": {"balanceAmount": EUR}},
            {"bookingDate": "2026-06-15", "transactionAmount": EUR, "entryReference": "NOTPROVIDED",
             "remittanceInformationUnstructuredArray": ["A", "B"], "mandateId": "m",
             "currencyExchange": [{"sourceCurrency": "USD"}]}],
            "pending": [{"transactionAmount": EUR}]}},
    ),
    (
        plaid.items,
        {"accounts": [{"account_id": "A", "type": "credit", "name": "Visa 4111111111111111",
            "balances": {"iso_currency_code": "USD", "limit": 500}}],
         "added": [{"account_id": "A", "transaction_id": "1", "amount": 9.5, "name": "DINER",
            "iso_currency_code": "USD", "date": "2026-06-30", "datetime": "2026-07-01T02:30:00Z",
            "pending": False, "personal_finance_category": {"detailed": "FOOD_AND_DRINK_COFFEE",
            "confidence_level": "HIGH"}, "location": {"country": "US"}}],
         "removed": [{"transaction_id": "2"}]},
    ),
)  # fmt: skip
"""A standard, and a document of it."""
STRANGE: Final[list[Any]] = [
    None, True, 0, -1, 1.5, 10**30, "", " ", "x", [], {}, [[]], "4111111111111111", "\ud800",
    "2026-13-45", "0001-01-01", "9999-12-31T23:59:59-23:59", "1e5", "NaN", "-0", "\x00", "💶",
    {"Amount": None}, ["a", 1, None], "x" * 1_100, 4111111111111111, "~0123456789abcdef01-0",
]  # fmt: skip


def rearranged(content: Any, chance: random.Random) -> Any:
    """Return JSON in which a value somewhere is another one, is gone, or is there twice."""
    if isinstance(content, dict) and content and chance.random() < 0.9:
        key = chance.choice(sorted(content))
        match chance.randrange(8):
            case 0:
                return {k: v for k, v in content.items() if k != key}
            case 1:
                return {**content, key: chance.choice(STRANGE)}
            case 2:
                return {**content, chance.choice(sorted(content)): content[key]}
            case _:
                return {**content, key: rearranged(content[key], chance)}
    if isinstance(content, list) and content and chance.random() < 0.9:
        place = chance.randrange(len(content))
        new = rearranged(content[place], chance)
        return [*content[:place], new, *content[place + chance.randrange(2) :]]
    return chance.choice(STRANGE)


def check_table(path: Path, data: bytes, mapping: TableMapping) -> str:
    """Read a file, and return how that ended: in rows, in rejects alone, or in an error."""
    path.write_bytes(data)
    try:
        found = read_table(path, mapping, Schema(), NOBODY, TODAY, TOKENS)
    except UserError as error:
        return error.code if path.name in error.message else f"{error.code} without the file"
    taken = found.rows.tables().get(mapping.table, pl.DataFrame()).height
    left_out = sum(count for _, count in found.left_out)
    assert taken + found.rejects.height + left_out == found.count
    return end_of(found, taken, found.rejects.columns[1])


def check_document(path: Path, data: bytes, items: Items) -> str:
    """Read a file of documents, and return how that ended."""
    path.write_bytes(data)
    try:
        documents = list(read_documents([path]))
        found = read_statement(documents, items, "ann", Schema(), NOBODY, TODAY, TOKENS)
    except UserError as error:
        return error.code
    taken = found.table.rows.transactions
    rows = 0 if taken is None else taken.height
    return end_of(found.table, rows)


class Door:
    """Files of every format, and what becomes of them when they are mutated.

    Args:
        folder: Folder that the files are written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables = []
        for number, (text, source) in enumerate(TABLES):
            (folder / f"{number}.yaml").write_text(text)
            self._tables.append((read_mapping(folder / f"{number}.yaml", Schema()), source))
        frame = pl.read_csv(io.StringIO(STATEMENT[1].replace("(1,2)", "-12.0")), quote_char='"')
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        self._parquet = buffer.getvalue()

    def table(self, chance: random.Random) -> str:
        """Mutate a table."""
        mapping, source = chance.choice(self._tables)
        encoding = chance.choice(["utf-8", "utf-8", "utf-8", "windows-1252", "utf-16"])
        other = chance.choice(TABLES)[1].encode()
        data = mutated(source.encode(encoding, "replace"), other, chance)
        return check_table(self._folder / "bank.csv", data, mapping)

    def document(self, chance: random.Random) -> str:
        """Mutate a document, as JSON or as bytes; it may be read as of another standard."""
        items, content = chance.choice(DOCUMENTS)
        if chance.random() < 0.02:
            items = chance.choice(DOCUMENTS)[0]
        for _ in range(chance.randint(0, 3)):
            content = rearranged(content, chance)
        data = json.dumps(content).encode()
        name = chance.choice(["bank.json", "bank.json", "bank.ndjson"])
        if chance.random() < 0.3:
            data = mutated(data, json.dumps(chance.choice(DOCUMENTS)[1]).encode(), chance)
        return check_document(self._folder / name, data, items)

    def parquet(self, chance: random.Random) -> str:
        """Mutate a Parquet file, which another process reads."""
        data = mutated(self._parquet, b"", chance)
        return check_table(self._folder / "bank.parquet", data, self._tables[0][0])

    def run(self, count: int, seed: int, parquet: float) -> Counter[str]:
        """Mutate files, and return how often each ending was met.

        Args:
            count: Number of files.
            seed: Seed of the first file.
            parquet: Share of Parquet files.
        """
        ended: Counter[str] = Counter()
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            if chance.random() < parquet:
                ended[f"Parquet: {self.parquet(chance)}"] += 1
            elif chance.random() < 0.5:
                ended[f"table: {self.table(chance)}"] += 1
            else:
                ended[f"document: {self.document(chance)}"] += 1
        return ended


EXPECTED: Final = {
    "table: rows", "table: rejects", "table: file.encoding", "table: import.unknown-column",
    "document: rows", "document: file.json", "document: import.nothing", "Parquet: file.parquet",
}  # fmt: skip


def check_endings(ended: Counter[str]) -> None:
    assert {*ended} >= EXPECTED
    assert not [end for end in ended if end.endswith("without the file")]


def test_a_damaged_file_ends_in_rows_rejects_or_one_error(tmp_path: Path) -> None:
    check_endings(Door(tmp_path).run(200, 1, 0.04))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_200_000_damaged_files_end_in_rows_rejects_or_one_error(tmp_path: Path, seed: int) -> None:
    check_endings(Door(tmp_path).run(10_000, 100 + seed, 0.002))


def main(count: int) -> None:
    """Mutate files and print how they ended."""
    with tempfile.TemporaryDirectory() as folder:
        door, ended, start = Door(Path(folder)), Counter[str](), time.process_time()
        for seed in range(0, count, 1_000):
            ended += door.run(min(1_000, count - seed), 1_000_000 + seed, 0.002)
            seconds = time.process_time() - start
            sys.stdout.write(f"{ended.total():,} files in {seconds:,.0f} s of processor time\n")
        for end, times in sorted(ended.items()):
            sys.stdout.write(f"{times:>9,} {end}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
