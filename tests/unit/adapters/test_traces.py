"""The proof of an erasure finds every trace, and takes nothing else for one."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from tests.building import bank

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.identifier_key import identifier_key
from tuppence.adapters.embedded.layout import IDENTIFIER_KEY
from tuppence.adapters.embedded.locking import StoreChangedError
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.adapters.embedded.traces import look_for
from tuppence.facts.consent import Consent
from tuppence.facts.rows import OF_ACCOUNT, OF_CUSTOMER
from tuppence.facts.schema import Schema

ANN = ("änn/7", ["änn/7-1"])


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A store of which somebody was erased, with customers whose names contain theirs."""
    store = tmp_path / "store"
    facts = FactStore.create(store, Schema())
    for name in ("mary-änn/7", "änn/70", "bob"):
        facts.append(bank([{"booking date": 1, "amount": -7, "text": "SHOP"}], name))
    Consents(store).record([Consent("änn/70", "1", "insights", (), "GB", 20)])
    aside = pl.DataFrame({"row": ["1"], OF_CUSTOMER: ["mary-änn/7"], OF_ACCOUNT: [None]})
    Rejects(store).put("bank.csv", aside)
    return store


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def unnamed_segment(store: Path) -> str:
    """A segment that the manifest does not name, as a kill leaves it."""
    other = store.parent / "other"
    FactStore.create(other, Schema()).append(bank([{"booking date": 1, "amount": -1}], ANN[0]))
    (segment,) = FactStore(other).segment_names()
    shutil.copytree(other / "facts" / segment, store / "facts/old")
    (store / "facts/old/dictionaries.json").unlink()
    (store / "facts/old/transactions.parquet").unlink()
    return "facts/old/accounts.parquet"


def freed_page(store: Path) -> str:
    """A row that was deleted without overwriting its bytes."""
    database(
        store / "consents.sqlite",
        "PRAGMA secure_delete = OFF",
        "INSERT INTO consents VALUES ('änn/7', '1', 1, NULL, NULL, x'7b7d')",
        "DELETE FROM consents WHERE customer_id = 'änn/7'",
    )
    return "consents.sqlite"


def another_table(store: Path) -> str:
    statements = "CREATE TABLE odd (who TEXT)", "INSERT INTO odd VALUES ('änn/7-1')"
    database(store / "consents.sqlite", *statements)
    return "consents.sqlite"


def json_in_a_table(store: Path) -> str:
    statements = ("CREATE TABLE odd (what BLOB)",
                  """INSERT INTO odd VALUES (CAST('{"of": ["änn/7"]}' AS BLOB))""")  # fmt: skip
    database(store / "consents.sqlite", *statements)
    return "consents.sqlite"


def journal(store: Path) -> str:
    (store / "results.sqlite-wal").write_bytes(b"\0\1X" + "änn/7".encode() + b"Pz\0")
    return "results.sqlite-wal"


def text(name: str, content: str) -> Callable[[Path], str]:
    def put(store: Path) -> str:
        path = store / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return name

    return put


def rejected(**fields: str | None) -> Callable[[Path], str]:
    def put(store: Path) -> str:
        Rejects(store).put("more.csv", pl.DataFrame({name: [v] for name, v in fields.items()}))
        return "rejects/more.csv.rejects.csv"

    return put


@pytest.mark.parametrize(
    "hide",
    [
        text("notes.txt", "about änn/7."),
        text(".half.csv.12.tmp", "1,bad,änn/7-1,x"),
        text("some.json", json.dumps({"of": "änn/7"})),
        text("%C3%A4nn%2F7.txt", ""),
        text("rejects/open-banking/%C3%A4nn%2F7.rejects.csv", "row\n1\n"),
        text("quoted.txt", "file %C3%A4nn%2F7.rejects.csv"),
        rejected(**{OF_CUSTOMER: "änn/7", OF_ACCOUNT: None}),
        rejected(**{OF_CUSTOMER: None, OF_ACCOUNT: "änn/7-1"}),
        rejected(content='{"AccountId": "änn/7-1"}'),
        unnamed_segment,
        freed_page,
        another_table,
        json_in_a_table,
        journal,
    ],
)
def test_a_trace_is_found_in_every_kind_of_file(clean: Path, hide: Callable[[Path], str]) -> None:
    for name in ("rejects/open-banking",):
        (clean / name).mkdir(parents=True)
    assert look_for(clean, *ANN).left == ()
    place = hide(clean)
    assert place in look_for(clean, *ANN).left


def test_a_customer_who_is_still_there_is_found_in_the_facts(clean: Path) -> None:
    before = look_for(clean, "bob", ["bob-1"]).left
    names = {Path(path).name for path in before}
    assert names == {"customers.parquet", "accounts.parquet", "dictionaries.json"}


def test_words_of_others_are_mentions_and_no_traces(clean: Path) -> None:
    words = {"booking date": 1, "amount": -7, "text": "main", "merchant": "7", "category": "GBP"}
    FactStore(clean).append(bank([words], "current"))
    (clean / "rulesets").mkdir()
    (clean / "rulesets/a.json").write_text('{"title": "bank fees of the main account"}')
    database(clean / "results.sqlite", "CREATE TABLE results (customer_id, packed)",
             "INSERT INTO results VALUES ('bob', CAST('main' AS BLOB))")  # fmt: skip
    found = look_for(clean, "main", ["7", "GBP", "SHOP"])
    assert found.left == ()
    assert found.mentions > 0


def test_an_identifier_that_is_also_somebody_elses_is_looked_for_only_as_an_owner(
    clean: Path,
) -> None:
    facts = FactStore(clean)
    facts.append(bank([{"booking date": 1, "amount": -7}], "7"))
    (clean / "lock").write_text("tuppence forget (process 7)")
    assert look_for(clean, "gone", ["7", "bob"]).left == ()
    assert look_for(clean, "7", []).left


def test_a_short_name_that_occurs_in_checksums_of_pages_is_no_trace(clean: Path) -> None:
    names = [f"customer {number}" for number in range(600)]
    Consents(clean).record(Consent(name, "1", "insights", (), "GB", 20) for name in names)
    Consents(clean).erase("customer 7")
    for digit in "123456789":
        assert look_for(clean, digit, []).left == ()


def test_the_checksum_of_rejected_rows_that_a_full_disk_left_is_erased(clean: Path) -> None:
    rejects = Rejects(clean)
    rejects.path_of(rejects.put("open-banking/gone", pl.DataFrame({"row": ["1"]}))).unlink()
    assert look_for(clean, "gone", []).left == ("rejects/open-banking/gone.rejects.csv.sum",)
    assert Rejects(clean).erase("gone", []) == 0
    assert look_for(clean, "gone", []).left == ()


def test_the_secret_of_a_store_is_about_nobody(clean: Path) -> None:
    identifier_key(clean)
    name = (clean / IDENTIFIER_KEY).read_text().split()[0]
    found = look_for(clean, name, [])
    assert (found.left, found.mentions) == ((), 1)


def test_damaged_files_are_read_as_bytes(clean: Path) -> None:
    (clean / "odd.sqlite").write_bytes(b"SQLite format 3\0" + "änn/7".encode())
    (clean / "odd.parquet").write_bytes(b"PAR1\0" + "änn/7".encode())
    (clean / "rejects/odd.rejects.csv").write_bytes(b'a,b\n"' + "änn/7".encode())
    assert {*look_for(clean, *ANN).left} == {"odd.sqlite", "odd.parquet", "rejects/odd.rejects.csv"}


def test_a_file_of_rejected_rows_that_is_gone_meanwhile_is_no_damage(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = clean / "rejects/gone.rejects.csv"
    monkeypatch.setattr(Rejects, "paths", lambda _: [gone])
    with pytest.raises(StoreChangedError):
        Rejects(clean).of("bob", ["bob-1"])
