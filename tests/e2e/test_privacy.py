"""Checks the rights of a person: to get all data held about them, and to have it erased."""

import contextlib
import io
import json
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from tests.building import copy_rules
from tests.commands import command
from tests.conftest import Run
from tests.contract.test_feed_stores import NOW, TOLD, VIEW, name_of

from tuppence.adapters.embedded import sqlite
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.outbox_file import OutboxFile
from tuppence.adapters.embedded.people import StorePeople
from tuppence.adapters.embedded.privacy import PersonalFolder
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.adapters.embedded.traces import look_for
from tuppence.bootstrap.feeds import store_feeds
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.facts.rows import OF_CUSTOMER
from tuppence.feed.items import EventKind
from tuppence.feed.news import Delivery, ToldItem
from tuppence.feel.values import Date
from tuppence.usecases.erase_customer import erase_from_store
from tuppence.usecases.record_events import answer_item

ANN, BOB = "C0000007", "C0000008"


RULES = ("bank_fees", "cash_share", "groceries_up", "month_in_review", "week_in_review")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_rules(tmp_path_factory.mktemp("some") / "rules", *RULES)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory, rules: Path) -> Path:
    """Return a store with thirty customers, results, and rejected rows of two of them."""
    folder = tmp_path_factory.mktemp("thirty")
    store = folder / "store"
    command("synth", "--store", store, "--customers", 30)
    for day in ("2026-06-01", "2026-06-30"):  # the results of the first run are replaced, and kept
        command("run", "--store", store, "--rules", rules, "--as-of", day)
    mapping = folder / "m.yaml"
    mapping.write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a, account: acc}\n"
        "constants: {currency: GBP}\n"
    )
    first = [account_of(store, name) for name in (ANN, BOB)]
    rows = [f"2026-13-0{n},-1,{account}" for n, account in enumerate(first, 1)]
    (folder / "t.csv").write_text("\n".join(["d,a,acc", *rows, f"2026-06-01,-1.00,{first[0]}"]))
    command("import", "csv", folder / "t.csv", "--mapping", mapping, "--store", store)
    page = {"Data": {"Transaction": [{"AccountId": first[0], "Status": "Odd"}], "Product": [{}]}}
    (folder / "page.json").write_text(json.dumps(page))
    command("import", "open-banking", folder / "page.json", "--customer", ANN, "--store", store)
    return store


@pytest.fixture
def money(tmp_path: Path, thirty: Path) -> Path:
    return shutil.copytree(thirty, tmp_path / "money")


def account_of(store: Path, customer: str) -> str:
    owners = FactStore(store).owners()
    return str(owners.filter(pl.col("customer") == customer)["id"][0])


def test_an_export_holds_all_data_of_a_person_with_its_reasons(money: Path, tuppence: Run) -> None:
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
    assert {one["rule_id"] for one in found["results"]} == {*RULES}
    assert all(one["clauses"] for one in found["results"])
    assert {one["rule_id"] for one in found["replaced results"]} == {*RULES}
    assert {one["as_of"] for one in found["replaced results"]} == {"2026-06-01"}
    assert [row["place"] for row in found["set aside"] if "place" in row] == ["Data.Transaction[0]"]
    assert len(found["set aside"]) == 2
    assert BOB not in json.dumps(found)


def test_an_erased_customer_is_gone_from_every_file(money: Path, tuppence: Run) -> None:
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
        f"{mine.height:,} transactions, the results, 0 consents, 2 rows that were set aside, "
        "0 rows of feeds" in done.stdout
    )
    assert "none names the customer or an account" in done.stdout
    assert look_for(money, *mine_are).left == ()
    assert look_for(money, *others_are).left
    assert FactStore(money).transaction_count == count - mine.height
    assert json.loads(tuppence("export", BOB, "--store", money).stdout) == kept
    raw = (money / "results.sqlite").read_bytes()
    assert ANN.encode() not in raw
    with sqlite3.connect(money / "results.sqlite") as database:
        kept_beside = "SELECT count(*) FROM replaced WHERE customer_id = ?"
        assert database.execute(kept_beside, [ANN]).fetchone() == (0,)
        assert database.execute(kept_beside, [BOB]).fetchone() == (1,)
    assert BOB.encode() in raw
    assert "no customer" in tuppence("forget", ANN, "--store", money, "--yes", status=1).stderr
    assert "no customer" in tuppence("export", ANN, "--store", money, status=1).stderr


def dismiss_all(store: Path, customer: str) -> None:
    """Acknowledge every item of a view through a service."""
    deps = store_feeds(store, None, PURPOSES, lambda: NOW)
    view = name_of(customer), VIEW
    for one in VIEW.candidates:
        kind = EventKind.ACKNOWLEDGED
        answer_item(deps.store, customer, view, one.item, kind, deps.policy, deps.clock())
    deps.close()


def tell(store: Path, customer: str) -> None:
    """Keep a delivery to a customer, as a service does that plans it."""
    people = StorePeople(StoreFolder(store), PURPOSES, None)
    told = tuple(ToldItem(one.item, one.told) for one in VIEW.candidates if one.told)
    with (
        contextlib.closing(people),
        contextlib.closing(OutboxFile(store, people.has_customer)) as outbox,
        outbox.change(customer) as change,
    ):
        change.write({f"dlv_{customer}": Delivery("mail", told, NOW, NOW)}, ())


def test_what_a_customer_did_with_their_feed_is_exported_and_erased(
    money: Path, tuppence: Run
) -> None:
    dismiss_all(money, ANN)
    dismiss_all(money, BOB)
    tell(money, ANN)
    tell(money, BOB)
    found = json.loads(tuppence("export", ANN, "--store", money).stdout)["feed"]
    states = {f"{row['rule_id']}.{Date(row['turn'])}" for row in found["states"]}
    assert states == {str(one.item) for one in VIEW.candidates}
    assert {name: len(rows) for name, rows in found.items()} == {
        "events": 2,
        "views": 1,
        "states": 2,
        "preferences": 0,
        "deliveries": 1,
    }
    (told,) = found["deliveries"]
    assert told["delivery"]["items"][0][1]["values"] == TOLD.values
    accounts = [account_of(money, ANN)]
    assert "feed.sqlite" in look_for(money, ANN, accounts).left
    done = tuppence("forget", ANN, "--store", money, "--yes")
    assert "6 rows of feeds" in done.stdout
    assert look_for(money, ANN, accounts).left == ()
    for path in money.glob("feed.sqlite*"):
        assert ANN.encode() not in path.read_bytes()
    theirs = json.loads(tuppence("export", BOB, "--store", money).stdout)["feed"]
    assert (len(theirs["states"]), len(theirs["deliveries"])) == (2, 1)
    assert "feed.sqlite" in tuppence("store", "check", "--store", money).stdout


def test_nothing_stays_of_a_customer_who_uses_their_feed_while_they_are_erased(
    money: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service records an event between the erasure of the feed and that of the facts."""
    folder = PersonalFolder(StoreFolder(money))
    erase_facts = folder.erase_facts

    def erase_late(customer: str) -> int:
        dismiss_all(money, ANN)
        return erase_facts(customer)

    monkeypatch.setattr(folder, "erase_facts", erase_late)
    assert erase_from_store(folder, ANN).feed == 5
    assert look_for(money, ANN, []).left == ()
    with pytest.raises(UserError, match="there is no customer"):
        dismiss_all(money, ANN)


def test_a_run_after_an_erasure_evaluates_the_other_customers(
    money: Path, rules: Path, tuppence: Run
) -> None:
    tuppence("forget", ANN, "--store", money, "--yes")
    again = ("run", "--store", money, "--rules", rules, "--as-of", "2026-07-01")
    tuppence(*again)
    with sqlite3.connect(money / "results.sqlite") as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (29,)


def test_the_last_customer_can_be_erased(tmp_path: Path, tuppence: Run) -> None:
    store = tmp_path / "one"
    tuppence("synth", "--store", store, "--customers", 1)
    tuppence("forget", "C0000001", "--store", store, "--yes")
    assert FactStore(store).transaction_count == 0
    assert FactStore(store).customers().height == 0
    tuppence("synth", "--store", tmp_path / "two", "--customers", 2)
    tuppence("forget", "C0000001", "--store", tmp_path / "two", "--yes")
    assert FactStore(tmp_path / "two").customers()["id"].to_list() == ["C0000002"]


def test_an_erasure_asks_for_confirmation(
    money: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "Abort" in tuppence("forget", ANN, "--store", money, status=1).stderr
    assert FactStore(money).rows_of(ANN).customers is not None


def rejected_of(found: str) -> list[str]:
    """Return the `Details` of the rejected rows in an export."""
    return [row["Details"] for row in json.loads(found)["set aside"]]


def test_rejected_rows_belong_to_the_customer_that_the_mapping_names(
    tmp_path: Path, tuppence: Run
) -> None:
    store = tmp_path / "money"
    for name in ("me", "you"):
        (tmp_path / f"{name}.yaml").write_text(
            "table: transactions\ncolumns: {booking date: Date, amount: Amount, text: Details}\n"
            f"constants: {{account: {name}-main, customer: {name}, currency: GBP}}\n"
        )
        lines = [f"2026-06-01,-1.00,FINE {name}", f"2026-13-01,-1.00,BAD {name} ",
                 f"2026-06-02,-1.00,RAGGED {name},x,me"]  # fmt: skip
        (tmp_path / f"{name}.csv").write_text("\n".join(["Date,Amount,Details", *lines]))
        where = ("--mapping", tmp_path / f"{name}.yaml", "--store", store)
        tuppence("import", "csv", tmp_path / f"{name}.csv", *where)
    assert rejected_of(tuppence("export", "me", "--store", store).stdout) == [
        "BAD me ",
        "RAGGED me",
    ]
    yours = tuppence("export", "you", "--store", store).stdout
    done = tuppence("forget", "me", "--store", store, "--yes")
    assert "2 rows that were set aside" in done.stdout
    assert tuppence("export", "you", "--store", store).stdout == yours
    assert not any(b"BAD me" in path.read_bytes() for path in store.rglob("*") if path.is_file())


def test_rejected_rows_of_a_longer_name_belong_to_somebody_else(
    tmp_path: Path, tuppence: Run
) -> None:
    store = tmp_path / "money"
    for name in ("mary-ann", "ann"):  # none of their rows can be imported: there is no such status
        booked = {"AccountId": f"{name}-1", "Status": "Odd", "TransactionInformation": f"OF {name}"}
        booking = {"AccountId": f"{name}-1", "TransactionId": "1", "Status": "Booked",
                   "CreditDebitIndicator": "Debit", "Amount": {"Amount": "1.00", "Currency": "GBP"},
                   "BookingDateTime": "2026-06-24T10:00:00Z"}  # fmt: skip
        items = [booked, booking] if name == "mary-ann" else [booked, booking | {"Status": "Odder"}]
        page = tmp_path / f"{name}.json"
        page.write_text(
            json.dumps(
                {
                    "Data": {
                        "Transaction": items,
                        "Account": [{"AccountId": f"{name}-1", "Currency": "GBP"}]
                        if name == "mary-ann"
                        else [],
                    }
                }
            )
        )
        status = 0 if name == "mary-ann" else 1
        where = ("--customer", name, "--store", store)
        tuppence("import", "open-banking", page, *where, status=status)
    exported = tuppence("export", "mary-ann", "--store", store).stdout
    assert "OF mary-ann" in exported
    assert "no customer ann" in tuppence("export", "ann", "--store", store, status=1).stderr
    assert (
        "no customer ann" in tuppence("forget", "ann", "--yes", "--store", store, status=1).stderr
    )
    assert tuppence("export", "mary-ann", "--store", store).stdout == exported


def test_a_customer_with_only_rejected_rows_can_be_exported_and_erased(
    money: Path, tuppence: Run
) -> None:
    rows = pl.DataFrame({"row": ["1"], "Details": ["ONLY THIS"], OF_CUSTOMER: ["eve"]})
    Rejects(money).put("of-eve.csv", rows)
    found = json.loads(tuppence("export", "eve", "--store", money).stdout)
    assert [row["Details"] for row in found.pop("set aside")] == ["ONLY THIS"]
    assert not any(found.values())
    done = tuppence("forget", "eve", "--yes", "--store", money)
    assert "0 transactions, no results, 0 consents, 1 rows that were set aside" in done.stdout
    assert "no customer" in tuppence("forget", "eve", "--yes", "--store", money, status=1).stderr


def test_files_left_by_a_crash_are_erased_too(money: Path, tuppence: Run) -> None:
    segment = next((money / "facts").glob("p*"))
    shutil.copytree(segment, money / "facts/p00000-of-before")
    (money / "rejects/.t.csv.rejects.csv.77.tmp").write_text(f"1,bad,{ANN},CLINIC")
    done = tuppence("forget", ANN, "--yes", "--store", money)
    assert "none names the customer" in done.stdout
    assert sorted(path.name for path in (money / "facts").iterdir() if path.is_dir()) == sorted(
        FactStore(money).segment_names()
    )
    assert not list(money.rglob(".*.tmp"))


def test_an_unknown_file_that_contains_the_customer_is_reported(money: Path, tuppence: Run) -> None:
    (money / "notes.txt").write_text(f"call {ANN} back")
    done = tuppence("forget", ANN, "--yes", "--store", money, status=1)
    assert "traces of this customer are left in notes.txt" in done.stderr
    (money / "notes.txt").unlink()
    assert "no customer" in tuppence("forget", ANN, "--yes", "--store", money, status=1).stderr


def test_an_import_that_finds_the_disk_full_leaves_nothing_behind(
    money: Path, thirty: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    where = ("--customer", ANN, "--store", money)
    done = tuppence("import", "open-banking", thirty.parent / "page.json", *where, status=1)
    assert "No space left on device" in done.stderr
    assert not list(money.rglob(".*.tmp"))


def test_an_erasure_does_not_wait_for_ever_for_a_reader_of_results(
    money: Path, tuppence: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may need old pages, which name the customer: then the erasure promises nothing."""
    monkeypatch.setattr(sqlite, "_WAIT", 0)
    with Database(money / "results.sqlite", reading=True):
        done = tuppence("forget", ANN, "--yes", "--store", money, status=1)
        assert "results.sqlite: another process is using it" in done.stderr
    assert "none names" in tuppence("forget", ANN, "--yes", "--store", money).stdout
    assert ANN.encode() not in (money / "results.sqlite").read_bytes()
