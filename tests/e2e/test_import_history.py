"""Imports are listed and taken back: alone, after crashes, and with what else a store keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.building import ROOT, bank
from tests.conftest import Run

from tuppence.adapters.embedded import history
from tuppence.adapters.embedded import manifest as manifests
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.place import FolderPlace
from tuppence.cli import main
from tuppence.facts.schema import Schema

HEADER = "Date,Who,Amount,Account,Owner\n"
ANN = "2026-06-01,TEA,-1.00,a1,ann\n2026-06-02,TEA,-2.00,a1,ann\n31/06/2026,LOST,-3.00,a1,ann\n"
BOB = "2026-06-01,TEA,-4.00,b1,bob\n"
LATER = "2026-06-02,TEA,-2.00,a1,ann\n2026-06-03,CAKE,-5.00,a1,ann\n"
MAPPING = (
    "table: transactions\n"
    "columns: {booking date: Date, text: Who, amount: Amount, account: Account, customer: Owner}\n"
    "constants: {currency: GBP}\n"
)


@pytest.fixture
def store(tmp_path: Path, tuppence: Run) -> Path:
    """Return a store with the imports of two overlapping files."""
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "one.csv").write_text(HEADER + ANN + BOB)
    (tmp_path / "two.csv").write_text(HEADER + LATER)
    for name in ("one.csv", "two.csv"):
        imported(tuppence, name)
    return tmp_path / "store"


def imported(tuppence: Run, name: str, mapping: str = "m.yaml") -> str:
    options = ("--mapping", mapping, "--store", "store", "--today", "2026-06-30")
    return tuppence("import", "csv", name, *options).stdout


def amounts(store: Path, customer: str = "ann") -> list[int]:
    rows = FactStore(store).rows_of(customer).transactions
    assert rows is not None
    return sorted(rows["amount"])


def listed(store: Path, tuppence: Run) -> list[Any]:
    found: list[Any] = json.loads(
        tuppence("import", "list", "--store", store, "--format", "json").stdout
    )
    return found


def test_an_import_is_taken_back_whole(store: Path, tuppence: Run) -> None:
    assert [(one["id"], one["from"], one["rows"]) for one in listed(store, tuppence)] == [
        (1, "one.csv", 3),
        (2, "two.csv", 2),
    ]
    assert "one.csv.rejects.csv" in tuppence("import", "list", "--store", store).stdout
    tuppence("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", "2026-06-30")
    done = tuppence("import", "undo", 1, "--store", store).stdout
    assert "2 removed, 0 as they were before, 0 there again, 1 kept" in done
    assert "removed: 1 rows that were set aside" in done
    assert "removed: 1 customer without any other data" in done
    assert amounts(store) == [-500, -200]
    assert list((store / "rejects").iterdir()) == []
    assert FactStore(store).customers()["id"].to_list() == ["ann"]
    results = tuppence("results", "--store", store, "--format", "json").stdout
    assert '"ann"' in results
    assert '"bob"' not in results
    assert "store: whole" in tuppence("store", "check", "--store", store).stdout
    error = tuppence("import", "undo", 1, "--store", store, status=1).stderr
    assert "error[import.unknown]" in error
    assert [one["id"] for one in listed(store, tuppence)] == [2]


def test_a_changed_row_becomes_what_it_was(store: Path, tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "three.csv").write_text(HEADER + "2026-06-01,TEA ROOM,-1.00,a1,ann\n")
    imported(tuppence, "three.csv")
    done = tuppence("import", "undo", 3, "--store", store).stdout
    assert "0 removed, 1 as they were before, 0 there again, 1 kept" in done
    rows = FactStore(store).rows_of("ann").transactions
    assert rows is not None
    assert set(rows["text"]) == {"TEA", "CAKE"}


def test_another_mapping_of_the_same_file_replaces_what_it_gave(
    store: Path, tuppence: Run, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(MAPPING + "sign: {inverted: true}\n")
    done = imported(tuppence, "two.csv", "other.yaml")
    assert "removed: 1 transactions that only an earlier import of two.csv had" in done
    assert amounts(store) == [-200, -100, 200, 500]
    imported(tuppence, "two.csv")
    assert amounts(store) == [-500, -200, -100]
    assert [one["id"] for one in listed(store, tuppence)] == [1, 2]


def test_a_type_of_account_is_mended_by_another_mapping(store: Path, tuppence: Run) -> None:
    Path("card.yaml").write_text(MAPPING.replace("GBP", "GBP, account type: credit card"))
    imported(tuppence, "one.csv", "card.yaml")
    accounts = FactStore(store).rows_of("ann", "bob").accounts
    assert accounts is not None
    assert set(accounts["type"]) == {"credit card"}


@pytest.fixture
def older(tmp_path: Path, tuppence: Run) -> Path:
    """Return a store of the format without a history, which then gets an import."""
    path = tmp_path / "store"
    FactStore.create(path, Schema()).append(bank([{"amount": -700, "booking date": 20_000}]))
    manifest = FolderPlace(path).read_manifest()[0]
    (path / "facts/manifest.json").write_bytes(manifests._encode_earlier(manifest))
    assert b'"format":3' in (path / "facts/manifest.json").read_bytes()
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "two.csv").write_text(HEADER + LATER.replace("a1", "ann-1"))
    assert tuppence("import", "list", "--store", path).stdout.count("two.csv") == 0
    imported(tuppence, "two.csv")
    return path


def test_rows_of_an_older_store_stay(older: Path, tuppence: Run) -> None:
    assert amounts(older) == [-700, -500, -200]
    tuppence("import", "undo", 1, "--store", older)
    assert amounts(older) == [-700]
    assert listed(older, tuppence) == []


def test_after_rows_that_no_import_has_read_nothing_can_be_taken_back(
    store: Path, tuppence: Run
) -> None:
    FactStore(store).append(bank([{"amount": -700, "booking date": 20_000}], "cat"))
    assert listed(store, tuppence) == []
    assert (
        "error[import.unknown]" in tuppence("import", "undo", 1, "--store", store, status=1).stderr
    )
    assert amounts(store) == [-500, -200, -100]


def test_a_full_history_begins_again_and_says_so(
    store: Path, tuppence: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert history.MAX_IMPORTS == 200  # as the docs say
    monkeypatch.setattr(history, "MAX_IMPORTS", 2)
    assert "history: " not in imported(tuppence, "two.csv")  # the same bytes are the same import
    (tmp_path / "three.csv").write_text(HEADER + "2026-06-04,PIE,-7.00,a1,ann\n")
    done = imported(tuppence, "three.csv")
    assert "the 2 earlier ones can no longer be taken back" in done
    assert [one["id"] for one in listed(store, tuppence)] == [3]
    assert "error[import.unknown]" in tuppence(
        "import", "undo", 2, "--store", store, status=1
    ).stderr  # fmt: skip
    (tmp_path / "four.csv").write_text(HEADER + "2026-06-05,JAM,-8.00,b1,bob\n")
    assert "history: " not in imported(tuppence, "four.csv")
    tuppence("import", "undo", 3, "--store", store)
    assert amounts(store) == [-500, -200, -100]
    assert amounts(store, "bob") == [-800, -400]
    assert "store: whole" in tuppence("store", "check", "--store", store).stdout


def test_rows_set_aside_by_the_same_import_are_taken_back_with_it(
    store: Path, tuppence: Run, tmp_path: Path
) -> None:
    """A mapping that skipped the bad row at first gives the same rows as one that does not."""
    (tmp_path / "three.csv").write_text(HEADER + ANN.replace("LOST", "LOST 2"))
    (tmp_path / "some.yaml").write_text(MAPPING + "without: {Who: [LOST 2]}\n")
    imported(tuppence, "three.csv", "some.yaml")
    assert [one["rejected rows"] for one in listed(store, tuppence)] == [
        "one.csv.rejects.csv",
        "",
        "",
    ]
    imported(tuppence, "three.csv")
    assert listed(store, tuppence)[2]["rejected rows"] == "three.csv.rejects.csv"
    assert "removed: 1 rows" in tuppence("import", "undo", 3, "--store", store).stdout
    assert [path.name for path in (store / "rejects").glob("*.csv")] == ["one.csv.rejects.csv"]


def test_an_erased_customer_is_gone_from_the_history(older: Path, tuppence: Run) -> None:
    Path("one.csv").write_text(HEADER + ANN.replace("a1", "ann-1") + BOB)
    imported(tuppence, "one.csv")
    exported = json.loads(tuppence("export", "ann", "--store", older).stdout)["imports"]
    assert [(one["id"], len(one["transactions"])) for one in exported] == [
        (None, 1),
        (1, 2),
        (2, 2),
    ]
    done = tuppence("forget", "ann", "--yes", "--store", older).stdout
    assert "none names the customer" in done
    held = b"".join(p.read_bytes() for p in older.rglob("*") if p.is_file())
    assert b"ann" not in held
    assert [one["id"] for one in listed(older, tuppence)] == [2]
    tuppence("import", "undo", 2, "--store", older)
    assert not FactStore(older).customers().height


def test_damage_to_the_history_is_found(store: Path, tuppence: Run) -> None:
    (path,) = (store / "facts").glob("i00002-*/transactions.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    error = tuppence("store", "check", "--store", store, status=1).stderr
    assert "imports: " in error
    assert (
        "error[store.corrupt]" in tuppence("import", "undo", 2, "--store", store, status=1).stderr
    )


def test_a_full_disk_leaves_an_import_or_takes_it_back(
    store: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt fails at a later write, until one succeeds."""
    before = amounts(store)
    for count in range(100):
        left = iter(range(count))

        def full(_: int, left: Any = left) -> None:
            if next(left, None) is None:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            patched.setattr("sys.argv", ["tuppence", "import", "undo", "1", "--store", str(store)])
            with pytest.raises(SystemExit) as ended:
                main()
        is_done = [one["id"] for one in listed(store, tuppence)] == [2]
        if is_done:  # the last flush may fail after the change has taken place
            break
        assert ended.value.code
        assert amounts(store) == before
    assert count > 3
    assert amounts(store) == [-500, -200]
    assert "store: whole" in tuppence("store", "check", "--store", store).stdout


def test_transactions_that_the_bank_has_taken_back_are_there_again(
    tuppence: Run, tmp_path: Path
) -> None:
    one = {
        "account_id": "A", "transaction_id": "1", "amount": 9.5, "name": "DINER",
        "iso_currency_code": "USD", "date": "2026-06-30", "pending": False,
    }  # fmt: skip
    account = {"account_id": "A", "type": "depository", "balances": {"iso_currency_code": "USD"}}
    (tmp_path / "1.json").write_text(json.dumps({"accounts": [account], "added": [one]}))
    (tmp_path / "2.json").write_text(json.dumps({"removed": [{"transaction_id": "1"}]}))
    for name in ("1.json", "2.json"):
        tuppence("import", "plaid", name, "--customer", "ann", "--store", "store")
    assert amounts(tmp_path / "store") == []
    done = tuppence("import", "undo", 2, "--store", "store").stdout
    assert "1 there again" in done
    assert amounts(tmp_path / "store") == [-950]
