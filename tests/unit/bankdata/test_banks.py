"""Shipped mappings of banks, each with an invented sample of its export."""

import re
from pathlib import Path

import pytest
from tests.statements import BY_NAME_ONLY, FIELDS, SAMPLES, proposed, reading_of

from tuppence.bankdata.banks import Bank, bank_named, shipped_banks
from tuppence.bankdata.categories import CATEGORIES
from tuppence.bankdata.mapping import read_mapping
from tuppence.bankdata.proposed import mapping_text
from tuppence.bankdata.tabular import ParsedTable
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date


def told(reading: ParsedTable) -> str:
    """Return what was read, a line for each row, skip, reject, doubt and account."""
    assert reading.rows.transactions is not None
    assert reading.rows.accounts is not None
    lines = []
    for day, amount, balance, *texts in reading.rows.transactions.select(FIELDS).iter_rows():
        money = [f"{amount / 100:.2f}", "" if balance is None else f"{balance / 100:.2f}"]
        lines.append(" | ".join([str(Date(day)), *money, *(text or "" for text in texts)]))
    for account, kind in reading.rows.accounts.select("id", "type").iter_rows():
        lines.append(f"account: {account}, {kind}")
    lines += [f"skipped: {what}: {count}" for what, count in reading.left_out]
    lines += [f"set aside: {row}: {why}" for row, why, *_ in reading.rejects.iter_rows()]
    lines += [f"doubt: {doubt}" for doubt in reading.doubts]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", shipped_banks())
def test_the_export_of_a_bank_is_read(name: str) -> None:
    sample = SAMPLES / f"{name}.csv"
    known = {} if name != "ynab" else {"currency": "GBP"}
    proposal = proposed(sample, name if name in BY_NAME_ONLY else "", **known)
    assert f"the shipped mapping {name} (" in proposal.origin
    assert proposal.questions == ()
    reading = reading_of(sample, proposal)
    assert told(reading) == (SAMPLES / f"{name}.expected").read_text()


@pytest.mark.parametrize("name", shipped_banks())
def test_a_written_mapping_reads_the_same_rows(name: str, tmp_path: Path) -> None:
    sample = SAMPLES / f"{name}.csv"
    proposal = proposed(sample, name, currency="USD") if name == "ynab" else proposed(sample, name)
    written = tmp_path / "mapping.yaml"
    written.write_text(mapping_text(proposal))
    assert read_mapping(written, Schema()) == proposal.mapping


@pytest.mark.parametrize(("name", "bank"), shipped_banks().items())
def test_a_shipped_mapping_speaks_our_words_and_says_its_source(name: str, bank: Bank) -> None:
    assert {*bank.mapping.values.get("category", {}).values()} <= CATEGORIES, name
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", bank.source)
    for field in ("type", "category"):  # a bank's other words would hide what the import finds
        assert field not in bank.mapping.values or field in bank.mapping.translated_only
    assert bool(bank.header) != (name in BY_NAME_ONLY)


def test_headers_of_shipped_mappings_are_no_beginnings_of_one_another() -> None:
    headers = [(b.mapping.delimiter, b.header) for b in shipped_banks().values() if b.header]
    for delimiter, header in headers:
        begun = [h for d, h in headers if d == delimiter and h[: len(header)] == header]
        assert begun == [header]


def test_a_bank_is_found_by_any_of_its_names() -> None:
    assert bank_named("Halifax")[0] == bank_named("lloyds")[0] == "lloyds"


@pytest.mark.parametrize(
    ("name", "hint"), [("monz", "did you mean monzo?"), ("qqq", "tuppence import banks lists all")]
)
def test_an_unknown_bank_is_refused(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        bank_named(name)
    assert caught.value.code == "import.unknown-bank"
    assert hint in (caught.value.hint or "")


def test_a_user_who_gives_an_account_that_the_file_names_is_told() -> None:
    with pytest.raises(UserError, match="account comes from the column Account"):
        proposed(SAMPLES / "barclays.csv", account="mine")


def test_dates_of_a_bank_that_can_be_read_in_two_ways_are_asked(tmp_path: Path) -> None:
    text = (SAMPLES / "paypal.csv").read_text().replace("26/06", "03/06").replace("25/06", "02/06")
    path = tmp_path / "paypal.csv"
    path.write_text(text)
    (question,) = proposed(path).questions
    assert (question.key, question.choices) == ("date_format", ("%d/%m/%Y", "%m/%d/%Y"))
    answered = proposed(path, date_format="%d/%m/%Y")
    assert answered.questions == ()
    assert answered.mapping.date_format == "%d/%m/%Y"
