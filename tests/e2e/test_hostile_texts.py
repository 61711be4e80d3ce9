"""Checks that names of merchants, customers and rules do nothing to a terminal or a spreadsheet."""

import csv
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import polars as pl
import pytest
from tests.building import bank, day
from tests.conftest import Done, Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema

EVIL = "\x1b]0;owned\x07\x1b[2K\x9b31m\u202eevil\u2028\u200bshop [bold]x[/]"
WHO = "=evil [bold]x[/red] \N{RIGHT-POINTING MAGNIFYING GLASS}"
"""A valid identifier with characters that have a meaning in tables and spreadsheets."""
RULE = """
id: fees
kind: saving
title: "Fees \\e[31m\\u202E"
when: count(transactions) > 0
score: 50
values: {shop: "transactions[1].merchant", sum: "=1+1"}
message: {title: "Fees at {{ shop }}", body: "From {{ shop }}."}
"""
MAPPING = """
table: transactions
columns: {booking date: Date, amount: Amount, text: Text, account: Account}
constants: {customer: me, currency: EUR}
date_format: "%d.%m.%Y"
decimal_point: ","
delimiter: ";"
encoding: windows-1252
"""


def at(folder: Path, command: tuple[str, ...]) -> list[str]:
    """Return a command with the store and the rules of a folder."""
    return [str(folder / part) if part in {"evil", "rules/fees.yaml"} else part for part in command]


def assert_harmless(done: Done) -> None:
    shown = done.stdout + done.stderr
    kinds = {sign: unicodedata.category(sign) for sign in {*shown} - {"\n", "\t"}}
    assert not [sign for sign, kind in kinds.items() if kind in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results and a store in which everything has a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = bank(
        [{"booking date": day("2026-06-01"), "amount": -1250, "merchant": EVIL, "text": EVIL}]
    )
    assert rows.customers is not None
    assert rows.accounts is not None
    rows = Rows(
        rows.customers.with_columns(id=pl.lit(WHO)),
        rows.accounts.with_columns(customer=pl.lit(WHO), name=pl.lit(EVIL)),
        rows.transactions,
    )
    FactStore.create(folder / "evil", Schema()).append(rows)
    (folder / "rules").mkdir()
    (folder / "rules" / "fees.yaml").write_text(RULE)
    run = ("run", "--store", "evil", "--rules", "rules", "--as-of", "2026-06-30")
    done = subprocess.run(
        [sys.executable, "-m", "tuppence", *run],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert_harmless(Done(done.stdout, done.stderr))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("results", "--store", "evil"),
        ("results", "--store", "evil", "--format", "csv"),
        ("results", "--store", "evil", "--format", "json"),
        ("feed", WHO, "--store", "evil"),
        ("feed", WHO, "--store", "evil", "--format", "json"),
        ("explain", WHO, "fees", "--store", "evil"),
        ("explain", WHO, "fees", "--store", "evil", "--format", "json"),
        ("streams", WHO, "--store", "evil", "--as-of", "2026-06-30"),
        ("consent", "grant", WHO, "--store", "evil", "--on", "2026-01-01", "--scope", EVIL),
        ("export", WHO, "--store", "evil"),
        ("rules", "preview", "rules/fees.yaml", "--store", "evil", "--as-of", "2026-06-30"),
    ],
)
def test_no_command_hands_control_characters_to_the_terminal(
    tuppence: Run, evil: Path, command: tuple[str, ...]
) -> None:
    done = tuppence(*at(evil, command))
    assert "evil" in done.stdout or command[0] in {"streams", "rules"}
    assert_harmless(done)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("export", EVIL, "--store", "evil"), 1),
        (("results", "--store", EVIL), 1),
        (("run", "--store", "evil", "--rules", EVIL, "--as-of", "2026-06-30"), 1),
        (("import", "csv", EVIL, "--mapping", EVIL, "--store", "evil"), 1),
        (("results", "--store", "evil", f"--{EVIL}"), 2),
        (("results", "--store", "evil", "--limit", EVIL), 2),
        (("results", "--store", "evil", "--format", EVIL), 2),
        ((EVIL,), 2),
        (("consent", EVIL), 2),
        (("results", "a\udc80"), 2),
    ],
)
def test_no_error_hands_control_characters_to_the_terminal(
    tuppence: Run, evil: Path, command: tuple[str, ...], status: int
) -> None:
    done = tuppence(*at(evil, command), status=status)
    assert done.stderr
    assert_harmless(done)


def test_json_of_a_command_holds_the_text_as_it_is(tuppence: Run, evil: Path) -> None:
    found = json.loads(tuppence("export", WHO, "--store", evil / "evil").stdout)
    assert found["transactions"][0]["merchant"] == EVIL


def test_csv_of_results_holds_no_formula(tuppence: Run, evil: Path) -> None:
    done = tuppence("results", "--store", evil / "evil", "--format", "csv")
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["customer_id"].startswith("'=")
    assert row["score"] == "50.0000"


def test_rejects_hold_no_formula_and_can_be_imported_after_a_correction(
    tuppence: Run, tmp_path: Path
) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    rows = (
        "Date;Text;Amount;Account;reason\n"
        '24.06.2026;=HYPERLINK("http://x") für;-12,50;4111111111111111;=x\n'
        "31.06.2026;=1+1 für Café;-3,00;4111111111111111;-7,00\n"
    )
    (tmp_path / "bank.csv").write_text(rows.replace('"', ""), encoding="windows-1252")
    where = ("--mapping", "mapping.yaml", "--store", "money", "--today", "2026-06-30")
    tuppence("import", "csv", "bank.csv", *where)
    (rejects,) = (tmp_path / "money" / "rejects").glob("*.rejects.csv")
    lines = list(csv.reader(rejects.read_text().splitlines()))
    own = rows.splitlines()[0].split(";")
    assert lines[0] == ["row in file", "reason set aside", *own, "of customer", "of account"]
    token = lines[1][5]
    assert token.startswith("hidden-")
    assert lines[1][2:] == ["31.06.2026", "'=1+1 für Café", "-3,00", token, "-7,00", "me", token]
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(rejects.read_text().replace("31.06.2026", "30.06.2026"))
    tuppence("import", "csv", "corrected.csv", *where)
    parts = [part.transactions for part in FactStore(tmp_path / "money").parts()]
    found = pl.concat(part for part in parts if part is not None)
    assert found.sort("booking date").select("text", "amount", "account").rows() == [
        ("=HYPERLINK(http://x) für", -1250, token),
        ("=1+1 für Café", -300, token),
    ]


def test_rejects_hold_no_control_character_and_give_back_the_text_of_the_bank(
    tuppence: Run, tmp_path: Path
) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace("windows-1252", "utf-8"))
    text, title = "\x1b[31mred\u202e\x9b \\x1b \u200b\nsecond line", "x\x1b[2J"
    rows = f'Date;Text;Amount;Account;{title}\n31.06.2026;"{text}";-3,00;x;y\n24.06.2026;a;-1;x;y\n'
    (tmp_path / "bank.csv").write_text(rows)
    where = ("--mapping", "mapping.yaml", "--store", "money", "--today", "2026-06-30")
    tuppence("import", "csv", "bank.csv", *where)
    (rejects,) = (tmp_path / "money" / "rejects").glob("*.rejects.csv")
    content = rejects.read_text()
    assert_harmless(Done(content, ""))
    assert r"\x1b[31mred\u202e\x9b \x5cx1b \u200b\x0asecond line" in content
    assert len(content.splitlines()) == 2
    (tmp_path / "corrected.csv").write_text(content.replace("31.06.2026", "30.06.2026"))
    tuppence("import", "csv", "corrected.csv", *where)
    found = FactStore(tmp_path / "money").rows_of("me").transactions
    assert found is not None
    assert found.sort("booking date")["text"].to_list() == ["a", text]


def test_padded_amounts_are_numbers_and_long_ones_may_be_cards(
    tuppence: Run, tmp_path: Path
) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "bank.csv").write_text(
        "Date;Text;Amount;Account\n"
        "24.06.2026;a;-0000000000012,50;x\n"
        "24.06.2026;b;378282246310005;x\n"
    )
    where = ("--mapping", "mapping.yaml", "--store", "money", "--today", "2026-06-30")
    tuppence("import", "csv", "bank.csv", *where)
    (rejects,) = (tmp_path / "money" / "rejects").glob("*.rejects.csv")
    assert "amount is not a number: ***********0005" in rejects.read_text()
    assert FactStore(tmp_path / "money").transaction_count == 1


def test_a_customer_is_found_by_the_card_number_that_the_store_hides(
    tuppence: Run, tmp_path: Path
) -> None:
    card, store = "4111111111111111", ("--store", tmp_path / "money")
    FactStore.create(tmp_path / "money", Schema())
    rows = f"Customer,Date,Amount,Account\n{card},2026-06-24,-3.00,{card}\n"
    (tmp_path / "bank.csv").write_text(rows)
    (tmp_path / "mapping.yaml").write_text(
        "table: transactions\nconstants: {currency: GBP}\n"
        "columns: {customer: Customer, booking date: Date, amount: Amount, account: Account}\n"
    )
    tuppence("import", "csv", "bank.csv", "--mapping", "mapping.yaml", *store)
    scope = ("--scope", f"transactions:{card}", "--on", "2026-01-01")
    tuppence("consent", "grant", card, *scope, *store)
    assert '"scope"' in tuppence("consent", "list", card, "--format", "json", *store).stdout
    tuppence("streams", card, "--as-of", "2026-06-30", *store)
    (account,) = json.loads(tuppence("export", card, *store).stdout)["accounts"]
    assert account["id"].startswith("hidden-")
    tuppence("consent", "withdraw", card, *store)
    tuppence("streams", card, "--as-of", "2026-06-30", *store, status=1)
    assert "erased: 1 accounts" in tuppence("forget", card, "--yes", *store).stdout
    files = [path for path in (tmp_path / "money").rglob("*") if path.is_file()]
    assert not [path for path in files if card.encode() in path.read_bytes()]
