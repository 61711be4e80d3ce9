"""The first file of a person: a proposal, a look at the rows, a yes, and a forecast."""

import datetime
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.statements import FORMATS, SAMPLES

from tuppence.bankdata.banks import shipped_banks

UNKNOWN = "Date,Details,Amount\n03/06/2026,X,-4.00\n02/06/2026,Y,12.50\n"
Typed = Callable[[str], None]


@pytest.fixture
def typed(_nobody: None, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Have a person at a terminal who types some lines."""

    def at_terminal(text: str) -> None:
        keyboard = io.StringIO(text)
        monkeypatch.setattr(keyboard, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", keyboard)

    return at_terminal


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody at a terminal, unless a test has somebody type."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def statement(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "statement.csv"
    path.write_text(text)
    return path


def test_without_a_terminal_nothing_is_imported_before_a_yes(tuppence: Run, tmp_path: Path) -> None:
    path = statement(tmp_path, (SAMPLES / "monzo.csv").read_text())
    command = ("import", "csv", path, "--store", "money", "--today", "2026-06-30")
    done = tuppence(*command, status=1)
    assert "mapping: the shipped mapping monzo (Monzo), found by its header" in done.stdout
    assert " 2026-06-02     2,150.00   3,145.75   monzo " in done.stdout
    assert "error[import.unconfirmed]" in done.stderr
    assert not (tmp_path / "money").exists()
    done = tuppence(*command, "--yes")
    assert "mapping: " in done.stdout
    assert "statement.csv      5     5         0           0   0" in done.stdout


def test_a_person_is_asked_what_the_file_leaves_open(
    tuppence: Run, tmp_path: Path, typed: Typed
) -> None:
    path = statement(tmp_path, UNKNOWN)
    command = ("import", "csv", path, "--store", "money", "--today", "2026-06-30")
    typed("%d/%m/%Y\nwhat\nGBP\nnegative\ny\n")
    done = tuppence(*command)
    assert done.stdout.count("Which amounts are money out") == 2  # `what` was no answer
    assert " 2026-06-03      -4.00 " in done.stdout
    assert "statement.csv      2     2         0           0   0" in done.stdout
    written = tmp_path / "statement.csv.mapping.yaml"
    assert "date_format: '%d/%m/%Y'" in written.read_text()


def test_a_person_who_says_no_imports_nothing(tuppence: Run, tmp_path: Path, typed: Typed) -> None:
    path = statement(tmp_path, (SAMPLES / "starling.csv").read_text())
    typed("n\n")
    tuppence("import", "csv", path, "--store", "money", "--today", "2026-06-30", status=1)
    assert not (tmp_path / "money").exists()


def test_what_is_open_is_named_and_written_for_editing(tuppence: Run, tmp_path: Path) -> None:
    path = statement(tmp_path, UNKNOWN)
    command = ("import", "csv", path, "--store", "money", "--yes", "--today", "2026-06-30")
    done = tuppence(*command, "--currency", "GBP", status=1)
    assert "error[import.undecided]" in done.stderr
    written = tmp_path / "statement.csv.mapping.yaml"
    assert "date_format in statement.csv.mapping.yaml" in done.stderr
    assert "sign in statement.csv.mapping.yaml" in done.stderr
    assert not (tmp_path / "money").exists()
    done = tuppence(*command, status=1)  # it takes the file beside, which still has gaps
    assert "error[mapping.format]" in done.stderr
    text = written.read_text().replace("date_format: '?'", "date_format: '%d/%m/%Y'")
    text = text.replace("sign:\n  column: '?'", "sign:\n  inverted: false")
    written.write_text(text)
    assert "statement.csv      2     2         0" in tuppence(*command).stdout
    assert written.read_text() == text  # never written over


def test_an_existing_mapping_is_not_written_over(tuppence: Run, tmp_path: Path) -> None:
    path = statement(tmp_path, (SAMPLES / "starling.csv").read_text())
    (tmp_path / "statement.csv.mapping.yaml").write_text("mine")
    command = ("import", "csv", path, "--store", "money", "--yes", "--today", "2026-06-30")
    done = tuppence(*command, "--bank", "starling")
    assert "not written: " in done.stdout
    assert (tmp_path / "statement.csv.mapping.yaml").read_text() == "mine"


def test_a_second_account_is_not_mixed_into_the_first(tuppence: Run, tmp_path: Path) -> None:
    path = statement(tmp_path, (SAMPLES / "starling.csv").read_text())
    command = ("import", "csv", path, "--store", "money", "--yes", "--today", "2026-06-30")
    tuppence(*command, "--bank", "starling")
    done = tuppence(*command, "--bank", "starling", status=1)
    assert "Which account's rows are these? The store has starling" in done.stderr
    again = tuppence(*command, "--bank", "starling", "--account", "starling").stdout
    assert "statement.csv      3     0         0           3   0" in again


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--bank", "starling", "--mapping", "m.yaml"), "cli.both"),
        (("--account-type", "savngs"), "mapping.unknown-word"),
        (("--currency", "pounds"), "import.currency"),
        (("--bank", "nobank"), "import.unknown-bank"),
    ],
)
def test_contradicting_or_unknown_options_are_refused(
    tuppence: Run, tmp_path: Path, options: tuple[str, ...], code: str
) -> None:
    path = statement(tmp_path, UNKNOWN)
    done = tuppence("import", "csv", path, "--store", "money", *options, status=1)
    assert f"error[{code}]" in done.stderr


def test_the_banks_are_listed(tuppence: Run) -> None:
    listed = tuppence("import", "banks").stdout
    assert len(shipped_banks()) >= 20
    assert all(name in listed for name in shipped_banks())
    assert "Halifax" in listed


def history() -> str:
    """Return half a year of a Barclays account, which has no balances."""
    lines = ["Number,Date,Account,Amount,Subcategory,Memo"]
    day = datetime.date(2026, 1, 1)
    while day < datetime.date(2026, 6, 20):
        if day.day == 1:
            lines.append(f",{day:%d/%m/%Y},20-00-00 12345678,2000.00,Credit,ACME LTD PAY BGC")
        if day.day == 5:
            lines.append(f",{day:%d/%m/%Y},20-00-00 12345678,-800.00,Payment,A LANDLORD STO")
        if day.day in {8, 11, 20}:
            memo = f"LIDL GB LEEDS  ON {day:%d %b} BCC"
            lines.append(f",{day:%d/%m/%Y},20-00-00 12345678,-{day.day}.20,Payment,{memo}")
        day += datetime.timedelta(1)
    return "\n".join(lines) + "\n"


def test_a_forecast_says_why_there_is_none_and_an_opening_balance_gives_one(
    tuppence: Run, tmp_path: Path
) -> None:
    path = statement(tmp_path, history())
    command = ("import", "csv", path, "--store", "money", "--yes", "--today", "2026-06-30")
    ask = ("forecast", "me", "--store", "money", "--as-of", "2026-06-20")
    tuppence(*command)
    told = tuppence(*ask).stdout
    assert "None" not in told
    assert "no forecast of 20-00-00 12345678: its balance is not known" in told
    assert "None" not in tuppence("streams", *ask[1:]).stdout
    tuppence(*command, "--opening-balance", "512.40")
    told = tuppence(*ask).stdout
    assert "7495.00" in told  # 512.40 and all amounts
    assert "no forecast" not in told
    assert "not known" not in told


def test_codes_and_dates_at_the_end_of_a_text_do_not_hide_the_merchant(
    tuppence: Run, tmp_path: Path
) -> None:
    path = statement(tmp_path, history())
    tuppence("import", "csv", path, "--store", "money", "--yes", "--today", "2026-06-30")
    exported = tuppence("export", "me", "--store", "money").stdout
    assert '"merchant": "Lidl"' in exported
    assert '"category": "groceries"' in exported
    assert "BCC" not in exported


@pytest.mark.parametrize(
    ("name", "ending", "options"),
    [
        ("ofx", ".ofx", ("ofx",)),
        ("qif", ".qif", ("qif", "--currency", "GBP")),
        ("mt940", ".sta", ("mt940",)),
        ("camt", ".xml", ("camt053",)),
    ],
)
def test_statement_files_of_programs_are_imported(
    tuppence: Run, tmp_path: Path, name: str, ending: str, options: tuple[str, ...]
) -> None:
    path = tmp_path / f"statement{ending}"
    path.write_text(FORMATS[name][1])
    command = ("import", *options, path, "--store", "money", "--today", "2026-06-30")
    first = tuppence(*command).stdout
    assert " accounts         1         0           0" in first
    assert "rejected: " in first
    again = tuppence(*command).stdout
    assert " accounts         0         0           1" in again


def test_a_store_of_several_customers_asks_whose_files_these_are(
    tuppence: Run, tmp_path: Path
) -> None:
    path = tmp_path / "statement.ofx"
    path.write_text(FORMATS["ofx"][1])
    command = ("import", "ofx", path, "--store", "money", "--today", "2026-06-30")
    tuppence(*command, "--customer", "ann")
    path.write_text(FORMATS["ofx"][1].replace("12345678", "87654321"))
    tuppence(*command, "--customer", "bob")
    assert "error[import.undecided]" in tuppence(*command, status=1).stderr


def test_files_that_name_no_account_are_not_mixed(tuppence: Run, tmp_path: Path) -> None:
    for name in ("current", "saver"):
        (tmp_path / f"{name}.csv").write_text("Date,Details,Amount\n2026-06-13,X,-4.00\n")
    where = ("--store", "money", "--yes", "--today", "2026-06-30")
    known = ("--currency", "GBP", "--customer", "me", *where)
    (tmp_path / "current.csv.mapping.yaml").write_text(
        "table: transactions\ncolumns: {booking date: Date, text: Details, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    command = ("import", "csv", "current.csv", "saver.csv", *known)
    done = tuppence(*command, status=1)
    assert "error[import.undecided]: the files name no account" in done.stderr
    assert " 1     1         0           0   0" in tuppence(*command, "--account", "main").stdout


def test_an_import_that_is_taken_back_leaves_the_rejects_of_others(
    tuppence: Run, tmp_path: Path
) -> None:
    (tmp_path / "map.yaml").write_text(
        "table: transactions\ncolumns: {booking date: Date, text: Details, amount: Amount}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
    )
    path = tmp_path / "st.csv"
    where = ("--store", "money", "--today", "2026-06-30")
    command = ("import", "csv", path, "--mapping", "map.yaml", *where)
    path.write_text("Date,Details,Amount\n2026-06-01,A,-4.00\nsoon,B,-5.00\n")
    tuppence(*command)
    path.write_text("Date,Details,Amount\n2026-06-02,C,-4.00\nsoon,B,-5.00\nlater,D,-6.00\n")
    tuppence(*command)
    tuppence("import", "undo", "1", "--store", "money")
    texts = [one.read_text() for one in (tmp_path / "money/rejects").glob("*.csv")]
    assert any("later" in text and "soon" in text for text in texts)


def test_the_same_bytes_of_another_person_are_refused(tuppence: Run, tmp_path: Path) -> None:
    path = tmp_path / "st.csv"
    path.write_text("Date,Details,Amount\n2026-06-01,A,-4.00\n")
    for name in ("ann", "bob"):
        (tmp_path / f"{name}.yaml").write_text(
            "table: transactions\ncolumns: {booking date: Date, text: Details, amount: Amount}\n"
            f"constants: {{account: {name}-1, customer: {name}, currency: GBP}}\n"
        )
    command = ("import", "csv", path, "--store", "money", "--today", "2026-06-30", "--mapping")
    tuppence(*command, "ann.yaml")
    refused = tuppence(*command, "bob.yaml", status=1).stderr
    assert "error[import.other-customer]" in refused
    assert "tuppence import undo 1" in refused
    assert "A" in tuppence("export", "ann", "--store", "money").stdout


def test_a_better_mapping_of_a_file_keeps_the_order_of_its_rows(
    tuppence: Run, tmp_path: Path
) -> None:
    mapping = (
        "table: transactions\ncolumns: {booking date: Date, text: Text, amount: Amount, "
        "balance: Balance}\nconstants: {account: main, customer: me, currency: GBP}\n"
    )
    (tmp_path / "a.yaml").write_text(mapping)
    (tmp_path / "b.yaml").write_text(mapping.replace("main,", "main, type: transfer,"))
    (tmp_path / "a.csv").write_text(
        "Date,Text,Amount,Balance\n2026-06-01,AA,100,100\n2026-06-02,BB,-10,90\n"
    )
    (tmp_path / "b.csv").write_text(
        "Date,Text,Amount,Balance\n2026-06-02,BB,-10,90\n2026-06-02,CC,-20,70\n"
        "2026-06-03,DD,-5,65\n"
    )
    where = ("--store", "money", "--today", "2026-06-30")
    for path, meaning in (("a.csv", "a.yaml"), ("b.csv", "a.yaml"), ("b.csv", "b.yaml")):
        tuppence("import", "csv", path, "--mapping", meaning, *where)
    rows = json.loads(tuppence("export", "me", "--store", "money").stdout)["transactions"]
    in_order = sorted(rows, key=lambda row: (row["booking date"], row["sequence"]))
    assert [row["text"] for row in in_order] == ["AA", "BB", "CC", "DD"]
    assert [row["type"] for row in in_order][1:] == ["transfer"] * 3
