"""The commands `tuppence enrich`: what is found in a text, and corrections of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.building import bank
from tests.conftest import Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.facts.schema import Schema

ROWS = (
    "customer,account,date,type,text,amount\n"
    "ann,main,2026-06-01,card,QUIDDIX YAR 0042 LEEDS,-9.99\n"
    "ann,main,2026-06-02,card,TESCO STORES 2041,-19.99\n"
    "bob,his,2026-06-02,card,QUIDDIX YAR 0001 HULL,-3.50\n"
)
MAPPING = (
    "table: transactions\n"
    "columns: {customer: customer, account: account, booking date: date, type: type, text: text, "
    "amount: amount}\n"
    "constants: {currency: GBP}\n"
)


@pytest.fixture
def store(tuppence: Run, tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "map.yaml").write_text(MAPPING)
    load(tuppence, tmp_path)
    return tmp_path / "money"


def load(tuppence: Run, folder: Path) -> None:
    """Import the rows."""
    tuppence("import", "csv", folder / "rows.csv", "--mapping", folder / "map.yaml",
             "--store", folder / "money", "--today", "2026-06-30")  # fmt: skip


def exported(tuppence: Run, store: Path, customer: str) -> dict[str, Any]:
    """Return what is exported of a customer."""
    found: dict[str, Any] = json.loads(tuppence("export", customer, "--store", store).stdout)
    return found


def categories(tuppence: Run, store: Path, customer: str) -> list[str | None]:
    """Return the categories of a customer's transactions."""
    return [row["category"] for row in exported(tuppence, store, customer)["transactions"]]


def test_texts_are_explained(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("PAYPAL *SOMEBODY\n\nCASH AT NATWEST\n")
    said = tuppence(
        "enrich", "TESCO STORES 2041", "--file", tmp_path / "texts", "--format", "json"
    ).stdout
    assert [(row["merchant"], row["category"], row["why"]) for row in json.loads(said)] == [
        ("Tesco", "groceries", "the name Tesco"),
        ("Somebody", None, "a payee at PayPal who is no known brand"),
        ("Cash Natwest", "cash", "words of a cash machine"),
    ]
    assert "the name Tesco" in tuppence("enrich", "show", "TESCO STORES 2041").stdout
    assert "enrich.no-text" in tuppence("enrich", "show", status=1).stderr
    assert "enrich.type" in tuppence("enrich", "X", "--type", "cheque", status=1).stderr


def test_a_correction_holds_from_now_on(tuppence: Run, store: Path) -> None:
    assert categories(tuppence, store, "ann") == [None, "groceries"]
    where = ("--store", store, "--customer", "ann")
    correction = ("enrich", "correct", "QUIDDIX YAR", "--category", "groceries")
    assert "1 transactions changed" in tuppence(*correction, *where).stdout
    assert categories(tuppence, store, "ann") == ["groceries", "groceries"]
    assert categories(tuppence, store, "bob") == [None]
    assert "rows.csv" in tuppence("import", "list", "--store", store).stdout  # can be taken back
    load(tuppence, store.parent)
    assert categories(tuppence, store, "ann") == ["groceries", "groceries"]
    shown = json.loads(tuppence("enrich", "QUIDDIX YAR 9", *where, "--format", "json").stdout)
    assert (shown[0]["category"], shown[0]["why"]) == ("groceries", "a person's correction")
    tuppence("import", "undo", "1", "--store", store)
    load(tuppence, store.parent)
    assert categories(tuppence, store, "ann") == ["groceries", "groceries"]
    assert "corrections.json" in tuppence("store", "check", "--store", store).stdout


def test_the_category_of_receipts_is_taken_away_or_replaced(tuppence: Run, tmp_path: Path) -> None:
    rows = "".join(f"ann,main,2026-0{n}-05,transfer,QUIDDIX YAR {n},450\n" for n in range(2, 7))
    (tmp_path / "rows.csv").write_text(ROWS.splitlines()[0] + "\n" + rows)
    (tmp_path / "map.yaml").write_text(MAPPING)
    load(tuppence, tmp_path)
    store = tmp_path / "money"
    assert categories(tuppence, store, "ann") == ["income"] * 5
    for category, expected in (("none", None), ("people", "people")):
        done = tuppence("enrich", "correct", "QUIDDIX YAR", "--category", category, "--received",
                        "--store", store)  # fmt: skip
        assert "5 transactions changed" in done.stdout
        assert categories(tuppence, store, "ann") == [expected] * 5
        load(tuppence, tmp_path)
        assert categories(tuppence, store, "ann") == [expected] * 5
    shown = tuppence("enrich", "QUIDDIX YAR", "--received", "--store", store, "--format", "json")
    assert json.loads(shown.stdout)[0]["category"] == "people"


def test_own_transfers_are_looked_at_again_at_once(tuppence: Run, tmp_path: Path) -> None:
    sides = ("main,2026-06-01,transfer,QUIDDIX YAR,-450", "pot,2026-06-02,transfer,QUIDDIX YAR,450")
    rows = "".join(f"ann,{side}\n" for side in sides)
    (tmp_path / "rows.csv").write_text(ROWS.splitlines()[0] + "\n" + rows)
    (tmp_path / "map.yaml").write_text(MAPPING)
    load(tuppence, tmp_path)
    store = tmp_path / "money"

    def own() -> list[bool]:
        return [row["own transfer"] for row in exported(tuppence, store, "ann")["transactions"]]

    assert own() == [True, True]
    correct = ("enrich", "correct", "QUIDDIX YAR", "--store", store, "--category")
    assert "2 transactions changed" in tuppence(*correct, "housing").stdout
    assert own() == [False, False]
    assert "2 transactions changed" in tuppence(*correct, "savings").stdout
    assert own() == [True, True]


def test_rows_that_no_import_has_read_are_corrected_too(tuppence: Run, tmp_path: Path) -> None:
    one = {"booking date": 20_000, "amount": -999}
    rows = [one | {"text": "QUIDDIX YAR"}, one | {"text": "TESCO", "category": "household"}]
    FactStore.create(tmp_path / "money", Schema()).append(bank(rows))
    done = tuppence("enrich", "correct", "QUIDDIX YAR", "--category", "groceries",
                    "--store", "money")  # fmt: skip
    assert "1 transactions changed" in done.stdout
    assert categories(tuppence, tmp_path / "money", "ann") == ["groceries", "household"]


def test_corrections_go_to_another_store(tuppence: Run, store: Path, tmp_path: Path) -> None:
    tuppence("enrich", "correct", "TESCO", "--category", "household", "--merchant", "My Tesco",
             "--everyone", "--store", store)  # fmt: skip
    kept = tuppence("enrich", "corrections", "--store", store).stdout
    (tmp_path / "kept.json").write_text(kept)
    (tmp_path / "other").mkdir()
    for name in ("rows.csv", "map.yaml"):
        (tmp_path / "other" / name).write_text((tmp_path / name).read_text())
    load(tuppence, tmp_path / "other")
    other = tmp_path / "other" / "money"
    tuppence("enrich", "correct", "--file", tmp_path / "kept.json", "--store", other)
    assert tuppence("enrich", "corrections", "--store", other).stdout == kept
    row = exported(tuppence, other, "ann")["transactions"][1]
    assert (row["merchant"], row["category"]) == ("My Tesco", "household")


def test_corrections_are_exported_and_erased_with_their_customer(
    tuppence: Run, store: Path
) -> None:
    for customer in ("ann", "bob"):
        tuppence("enrich", "correct", "QUIDDIX YAR", "--category", "groceries",
                 "--customer", customer, "--store", store)  # fmt: skip
    assert exported(tuppence, store, "ann")["corrections"] == [
        {"text": "QUIDDIX YAR", "category": "groceries", "merchant": "", "customer": "ann",
         "received": False}
    ]  # fmt: skip
    tuppence("forget", "ann", "--store", store, "--yes")
    left = json.loads(tuppence("enrich", "corrections", "--store", store).stdout)
    assert [one["customer"] for one in left] == ["bob"]
    tuppence("forget", "bob", "--store", store, "--yes")
    assert not (store / "corrections.json").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["QUIDDIX YAR", "--category", "grocery", "--everyone"], "enrich.category"),
        (["QUIDDIX YAR", "--category", "groceries"], "enrich.whose"),
        (["QUIDDIX YAR", "--everyone"], "enrich.incomplete"),
        (["--category", "groceries", "--everyone"], "enrich.incomplete"),
        (["X Y", "--category", "groceries", "--customer", "zoe"], "facts.unknown-customer"),
        (["0042", "--category", "groceries", "--everyone"], "enrich.no-payee"),
    ],
)
def test_wrong_corrections_change_nothing(
    tuppence: Run, store: Path, options: list[str], code: str
) -> None:
    done = tuppence("enrich", "correct", *options, "--store", store, status=1)
    assert code in done.stderr
    assert not (store / "corrections.json").exists()


def test_a_damaged_file_of_corrections_is_told(tuppence: Run, store: Path) -> None:
    tuppence("enrich", "correct", "TESCO", "--category", "household", "--everyone",
             "--store", store)  # fmt: skip
    path = store / "corrections.json"
    path.write_text(path.read_text().replace("household", "groceries"))
    done = tuppence("store", "check", "--store", store, status=1)
    assert "corrections.json: damaged or edited" in done.stderr
    (store.parent / "not.json").write_text("{}")
    done = tuppence("enrich", "correct", "--file", store.parent / "not.json",
                    "--store", store, status=1)  # fmt: skip
    assert "enrich.file" in done.stderr
