"""What a person may ask for: all that is held of them, and that nothing is held any more."""

import io
import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from tests.building import ROOT
from tests.conftest import Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.traces import look_for

ANN, BOB = "C0000007", "C0000008"


@pytest.fixture
def money(tmp_path: Path, tuppence: Run) -> Path:
    """A store with thirty customers, results, and rows that were set aside of two of them."""
    store = tmp_path / "money"
    tuppence("synth", "--store", store, "--customers", 30)
    tuppence("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", "2026-06-30")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a, account: acc}\n"
        "constants: {currency: GBP}\n"
    )
    first = [account_of(store, name) for name in (ANN, BOB)]
    rows = [f"2026-13-0{n},-1,{account}" for n, account in enumerate(first, 1)]
    (tmp_path / "t.csv").write_text("\n".join(["d,a,acc", *rows, f"2026-06-01,-1.00,{first[0]}"]))
    tuppence("import", "csv", tmp_path / "t.csv", "--mapping", mapping, "--store", store)
    page = {"Data": {"Transaction": [{"AccountId": first[0], "Status": "Odd"}], "Product": [{}]}}
    (tmp_path / "page.json").write_text(json.dumps(page))
    tuppence("import", "open-banking", tmp_path / "page.json", "--customer", ANN, "--store", store)
    return store


def account_of(store: Path, customer: str) -> str:
    owners = FactStore(store).owners()
    return str(owners.filter(pl.col("customer") == customer)["id"][0])


def test_all_that_is_held_is_written_down_with_its_reasons(money: Path, tuppence: Run) -> None:
    found = json.loads(tuppence("export", ANN, "--store", money).stdout)
    ((customer),) = found["customers"]
    assert customer["id"] == ANN
    rows = FactStore(money).rows_of(ANN)
    assert rows.accounts is not None
    assert rows.transactions is not None
    assert [one["id"] for one in found["accounts"]] == rows.accounts["id"].to_list()
    assert len(found["transactions"]) == rows.transactions.height
    first, amount = found["transactions"][0], rows.transactions["amount"][0]
    assert first["amount"] == f"{amount / 100:.2f}"
    assert {one["category confidence"] for one in found["transactions"]} == {"1.00", None}
    assert len(first["booking date"]) == len("2026-06-30")
    assert {one["rule_id"] for one in found["results"]} == {
        path.stem for path in (ROOT / "catalogue").glob("*.yaml")
    }
    assert all(one["clauses"] for one in found["results"])
    assert [row["place"] for row in found["set aside"] if "place" in row] == ["Data.Transaction[0]"]
    assert len(found["set aside"]) == 2
    assert BOB not in json.dumps(found)


def test_who_is_forgotten_is_gone_from_every_file(money: Path, tuppence: Run) -> None:
    mine_are, others_are = ((one, [account_of(money, one)]) for one in (ANN, BOB))
    before = look_for(money, *mine_are).left
    assert {Path(path).suffix for path in before} == {
        ".parquet",
        ".json",
        ".csv",
        ".sum",
        ".sqlite",
    }
    kept = json.loads(tuppence("export", BOB, "--store", money).stdout)
    count = FactStore(money).transaction_count
    mine = FactStore(money).rows_of(ANN).transactions
    assert mine is not None
    done = tuppence("forget", ANN, "--store", money, "--yes")
    assert (
        f"{mine.height:,} transactions, the results, 0 consents, 2 rows that were set aside"
        in done.stdout
    )
    assert "none names the customer or an account" in done.stdout
    assert look_for(money, *mine_are).left == ()
    assert look_for(money, *others_are).left
    assert FactStore(money).transaction_count == count - mine.height
    assert json.loads(tuppence("export", BOB, "--store", money).stdout) == kept
    raw = (money / "results.sqlite").read_bytes()
    assert ANN.encode() not in raw
    assert BOB.encode() in raw
    assert "no customer" in tuppence("forget", ANN, "--store", money, "--yes", status=1).stderr
    assert "no customer" in tuppence("export", ANN, "--store", money, status=1).stderr


def test_a_run_after_it_goes_over_the_others(money: Path, tuppence: Run) -> None:
    tuppence("forget", ANN, "--store", money, "--yes")
    again = ("run", "--store", money, "--rules", ROOT / "catalogue", "--as-of", "2026-07-01")
    tuppence(*again)
    with sqlite3.connect(money / "results.sqlite") as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (29,)


def test_the_last_customer_can_be_forgotten(tmp_path: Path, tuppence: Run) -> None:
    store = tmp_path / "one"
    tuppence("synth", "--store", store, "--customers", 1)
    tuppence("forget", "C0000001", "--store", store, "--yes")
    assert FactStore(store).transaction_count == 0
    assert FactStore(store).customers().height == 0
    tuppence("synth", "--store", tmp_path / "two", "--customers", 2)
    tuppence("forget", "C0000001", "--store", tmp_path / "two", "--yes")
    assert FactStore(tmp_path / "two").customers()["id"].to_list() == ["C0000002"]


def test_nobody_is_forgotten_without_being_asked(
    money: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "Abort" in tuppence("forget", ANN, "--store", money, status=1).stderr
    assert FactStore(money).rows_of(ANN).customers is not None
