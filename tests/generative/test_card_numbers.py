"""No card number is stored, with any separators, neighbours, and in any field."""

import csv
import functools
import io
import json
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given
from tests.building import NOBODY, TOKENS
from tests.conftest import Run
from tests.examples import examples
from tests.statements import booked

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.identifier_key import identifier_key
from tuppence.adapters.embedded.layout import IDENTIFIER_KEY
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.bankdata import open_banking
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.inference import infer_fields
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.statement import read_statement
from tuppence.bankdata.tabular import ParsedTable, read_table
from tuppence.bootstrap.store import open_store
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier, why_not_identifier
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema

TODAY: Final = date(2026, 6, 30)
SEPARATORS: Final = [
    *("", " ", "  ", "-", ".", "/", ",", ";", ":", "|", "_", "*", "'", "\t", "\n", "+", "="),
    *("\u00a0", "\u2009", "\u3000", "\u2013", "\u2212", "\u200b", "\u2060", "\ufeff", "\u202e"),
    *("\x1b", "\u0301", "·", "💳"),
]
ZEROS: Final = ["0", "٠", "０", "߀", "𝟎"]
"""Digits of some scripts."""


class Written(NamedTuple):
    """A card number, and a text that contains it."""

    number: str
    text: str


def with_check_digit(payload: str) -> str:
    """Append the check digit by Luhn, computed as in ISO/IEC 7812-1, annex B."""
    total = 0
    for place, sign in enumerate(reversed(payload)):
        digit = int(sign) * (1 if place % 2 else 2)
        total += digit // 10 + digit % 10
    return payload + str(-total % 10)


@st.composite
def writings(draw: st.DrawFn) -> Written:
    """Draw card numbers as people, banks and attackers write them."""
    first = draw(st.sampled_from("123456789"))
    number = with_check_digit(first + draw(st.text("0123456789", min_size=11, max_size=17)))
    size = draw(st.integers(1, 8))
    groups = [number[i : i + size] for i in range(0, len(number), size)]
    zero = ord(draw(st.sampled_from(ZEROS)))
    core = draw(st.sampled_from(SEPARATORS)).join(groups)
    core = "".join(chr(zero + int(s)) if s.isascii() and s.isdigit() else s for s in core)
    beside = st.text("0123456789 -./:é,x", max_size=8)
    return Written(number, draw(beside) + core + draw(beside))


def digits_of(text: str) -> str:
    """Return the digits of a text, with a blank for each letter, which ends a number."""
    signs = ((s, unicodedata.digit(s, None)) for s in text)
    return "".join(str(d) if d is not None else " " if s.isalpha() else "" for s, d in signs)


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of every file of a folder, with Parquet decoded."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield path.name, path.name
        yield path.name, path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            for column in frame.get_columns():
                yield path.name, "x".join(str(value) for value in column.to_list())


def assert_nowhere(number: str, folder: Path, *printed: str) -> None:
    found = [name for name, text in contents(folder) if number in digits_of(text)]
    assert not found
    assert not [text for text in printed if number in digits_of(text)]


@given(writings())
@examples(50, 6_000)
def test_a_masked_text_holds_no_card_number(written: Written) -> None:
    hidden = masked(written.text)
    assert written.number not in digits_of(hidden)
    assert len(hidden) == len(written.text)
    assert masked(hidden) == hidden


# -- every field of every door ---------------------------------------------------------------------

CELLS: Final = {
    "Id": "7",
    "Account": "main",
    "Customer": "me",
    "Currency": "GBP",
    "Date": "2026-06-01",
    "Amount": "-1.00",
    "Text": "TEA SHOP",
    "Merchant": "Tea",
    "Category": "food",
    "Balance": "12.00",
    "Own": "no",
    "Note": "",
}
MAPPING: Final = """
table: transactions
columns: {id: Id, account: Account, customer: Customer, currency: Currency, booking date: Date,
  amount: Amount, text: Text, merchant: Merchant, category: Category, balance: Balance,
  own transfer: Own}
"""


def keep(folder: Path, reading: ParsedTable, enricher: Enricher, name: str) -> None:
    """Store the content of a table, as the command does."""
    store = FactStore.create(folder / "store", Schema())
    Rejects(folder / "store").put(masked(name), reading.rejects)
    store.append(infer_fields(reading.rows, Rows(), enricher))


@functools.cache
def shared_enricher() -> Enricher:
    return Enricher()


def check_table(field: str, written: Written, *, good: bool, quoted: bool) -> None:
    row = CELLS | {"Date": "2026-06-01" if good else "2026-13-01"} | {field: written.text}
    with TemporaryDirectory() as name:
        folder = Path(name)
        plain = CELLS | {"Id": "1"}
        out = io.StringIO()
        if quoted:
            csv.writer(out).writerows([list(CELLS), list(plain.values()), list(row.values())])
        else:
            out.writelines(",".join(line) + "\n" for line in (CELLS, plain.values(), row.values()))
        (folder / "bank.csv").write_text(out.getvalue(), newline="")
        (folder / "mapping.yaml").write_text(MAPPING)
        meaning = read_mapping(folder / "mapping.yaml", Schema())
        try:
            reading = read_table(folder / "bank.csv", meaning, Schema(), NOBODY, TODAY, TOKENS)
        except UserError as error:  # it is no table
            assert_nowhere(written.number, folder / "store", masked(error.message))
            return
        keep(
            folder,
            reading,
            shared_enricher(),
            written.text.replace("/", "_").replace("\n", "_")[:80],
        )
        assert_nowhere(written.number, folder / "store")


@given(st.sampled_from(list(CELLS)), writings(), st.booleans(), st.booleans())
@examples(8, 3_000)
def test_no_field_of_a_table_keeps_a_card_number(
    field: str, written: Written, good: bool, quoted: bool
) -> None:
    assume(quoted or not {"\n", '"', "\r"} & {*written.text})  # else it is in other rows
    check_table(field, written, good=good, quoted=quoted)


PLACES: Final = [
    "AccountId",
    "TransactionId",
    "Status",
    "BookingDateTime",
    "TransactionInformation",
    "CreditDebitIndicator",
    "Amount.Amount",
    "Amount.Currency",
    "MerchantDetails.MerchantName",
    "CurrencyExchange.SourceCurrency",
    "Unknown.Thing",
]


def check_document(place: str, written: Written, *, good: bool) -> None:
    one: Any = booked(**({} if good else {"Status": "Undone"}))
    inner = one
    *path, last = place.split(".")
    for key in path:
        inner = inner.setdefault(key, {})
    inner[last] = written.text
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.json").write_text(json.dumps({"Data": {"Transaction": [booked(), one]}}))
        documents = read_documents([folder / "page.json"])
        customer = written.text
        problem = why_not_identifier(customer)
        if problem is not None:  # the command refuses such a name, and does not repeat the number
            with pytest.raises(UserError, match=problem) as refused:
                check_identifier(customer, "customer")
            assert written.number not in digits_of(refused.value.message)
            customer = "ann"
        try:
            found = read_statement(
                documents, open_banking.items, customer, Schema(), NOBODY, TODAY, TOKENS
            )
        except UserError as error:  # the customer's currency is none
            assert_nowhere(written.number, folder / "store", masked(error.message))
            return
        keep(folder, found.table, shared_enricher(), "page")
        assert_nowhere(written.number, folder / "store")


@given(st.sampled_from(PLACES), writings(), st.booleans())
@examples(8, 3_000)
def test_no_field_of_a_document_keeps_a_card_number(
    place: str, written: Written, good: bool
) -> None:
    check_document(place, written, good=good)


@given(written=writings())
@examples(3, 60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_command_prints_a_card_number(tuppence: Run, written: Written) -> None:
    text = "x" + written.text.replace("\n", " ")
    calls = [(("export", text), 1), (("export", "ann", text), 2), ((text,), 2)]
    for arguments, status in calls:
        done = tuppence(*arguments, status=status)
        assert done.stderr
        assert written.number not in digits_of(done.stdout + done.stderr)


# -- identifiers -----------------------------------------------------------------------------------


def test_tokens_of_identifiers_are_distinct_and_stable(tmp_path: Path) -> None:
    one, other = "4111111111111111", "4222222222221111"  # the same last four
    tokens = open_store(tmp_path).tokens
    assert tokens.of(one) == tokens.of(one) != tokens.of(other)
    assert tokens.of(tokens.of(one)) == tokens.of(one)
    assert open_store(tmp_path).tokens.of(one) == tokens.of(one)
    assert Tokens(lambda: b"another").of(one) != tokens.of(one)
    assert tokens.of("acc-22289") == "acc-22289"
    assert tokens.of("DE89370400440532013000") == "DE89370400440532013000"  # a valid IBAN


def test_a_store_without_such_identifiers_has_no_key(tmp_path: Path) -> None:
    assert open_store(tmp_path).tokens.of("22289") == "22289"
    assert not list(tmp_path.iterdir())


def test_the_key_of_a_store_is_private_and_verified(tmp_path: Path) -> None:
    first = identifier_key(tmp_path)
    path = tmp_path / IDENTIFIER_KEY
    assert {one.name for one in tmp_path.iterdir()} == {IDENTIFIER_KEY, "lock"}
    assert path.stat().st_mode & 0o077 == 0
    assert identifier_key(tmp_path) == first
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        identifier_key(tmp_path)
    assert caught.value.code == "store.corrupt"
