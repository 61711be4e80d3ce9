"""The fact store: appended, compacted, and never seen half-written."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from tests.building import bank, frame
from tests.examples import examples

from tuppence.adapters.embedded import manifest, place, segments
from tuppence.adapters.embedded.appending import MAX_SEGMENTS
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.place import FolderPlace
from tuppence.adapters.embedded.traces import look_for
from tuppence.derived.context import customer_context
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.rows import Counts, Rows
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def ids(batch: FactBatch) -> list[str]:
    return list(batch.customer_ids)


def amounts(store: FactStore, customer: str = "ann") -> list[int]:
    column = store.find(customer).transactions.columns["amount"]
    return [int(n) for n in column.values]


def test_importing_the_same_rows_again_changes_no_byte(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    rows = bank([{"booking date": 1, "amount": -1}, {"booking date": 2, "amount": -2}])
    assert store.append(rows) == {
        "customers": Counts(new=1),
        "accounts": Counts(new=1),
        "transactions": Counts(new=2),
    }
    before = content(tmp_path)
    assert store.append(rows)["transactions"] == Counts(unchanged=2)
    assert content(tmp_path) == before


def test_a_row_with_a_known_identifier_replaces_the_row_in_place(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.append(bank([{"booking date": 1, "amount": -1}, {"booking date": 1, "amount": -2}]))
    counts = store.append(bank([{"booking date": 1, "amount": -7}]))
    assert counts["transactions"] == Counts(changed=1)
    assert amounts(store) == [-7, -2]


def test_rows_imported_later_follow_earlier_rows_of_the_same_day(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.append(bank([{"booking date": 5, "amount": -1}, {"booking date": 5, "amount": -2}]))
    store.append(bank([{"id": "x", "booking date": 5, "amount": -3},
                       {"id": "y", "booking date": 4, "amount": -4}]))  # fmt: skip
    assert amounts(store) == [-4, -1, -2, -3]


def test_partitions_fill_up_and_keep_their_customers(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for customer in ("dan", "ann", "bob"):
        store.append(bank([{"booking date": 1, "amount": -1}], customer), partition_size=2)
    assert store.partitions() == [("p00000", 2), ("p00001", 1)]
    assert [ids(store.read(name)) for name, _ in store.partitions()] == [["ann", "dan"], ["bob"]]
    store.append(bank([{"id": "2", "booking date": 2, "amount": -2}], "dan"), partition_size=2)
    assert amounts(store, "dan") == [-1, -2]
    assert store.transaction_count == 4
    assert FactStore(tmp_path).partitions() == [("p00000", 2), ("p00001", 1)]


def test_compacting_keeps_all_facts(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for n in range(4):
        rows = [{"id": str(n), "booking date": 10 - n, "amount": -n, "category": f"c{n}"}]
        store.append(bank(rows))
    before = customer_context(store.find("ann"), 0, Date(99))
    assert (
        len(
            json.loads((tmp_path / "facts/manifest.json").read_bytes())["partitions"][0]["segments"]
        )
        == 4
    )
    store.compact()
    manifest = json.loads((tmp_path / "facts/manifest.json").read_bytes())
    assert len(manifest["partitions"][0]["segments"]) == 1
    assert customer_context(FactStore(tmp_path).find("ann"), 0, Date(99)) == before


def test_too_many_segments_are_compacted_automatically(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for n in range(MAX_SEGMENTS + 1):
        store.append(bank([{"id": str(n), "booking date": n, "amount": -n}]))
    manifest = json.loads((tmp_path / "facts/manifest.json").read_bytes())
    assert len(manifest["partitions"][0]["segments"]) == 1
    assert amounts(store) == [-n for n in range(MAX_SEGMENTS + 1)]


def test_unnamed_segments_are_removed_by_the_next_change(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for n in range(3):
        store.append(bank([{"id": str(n), "booking date": n, "amount": -n}]))
    reader = FactStore(tmp_path)
    store.compact()
    assert len(reader.find("ann").transactions.columns["amount"].values) == 3
    store.append(bank([{"id": "9", "booking date": 9, "amount": -9}]))
    folders = [p for p in (tmp_path / "facts").iterdir() if p.is_dir()]
    assert len(folders) == 2


def test_the_digest_depends_on_the_content_only(tmp_path: Path) -> None:
    one, two = (FactStore.create(tmp_path / name, Schema()) for name in ("one", "two"))
    rows = bank([{"booking date": 1, "amount": -1}])
    one.append(rows)
    assert one.digest != two.digest
    two.append(rows)
    assert one.digest == two.digest == FactStore(tmp_path / "one").digest


def test_a_batch_is_ordered_and_its_slices_are_views(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for customer, count in (("bob", 2), ("ann", 3), ("cat", 0)):
        rows = [{"booking date": 9 - n, "amount": -n} for n in range(count)]
        store.append(bank(rows, customer))
    batch = store.read("p00000")
    assert ids(batch) == ["ann", "bob", "cat"]
    assert batch.transactions.offsets.tolist() == [0, 3, 5, 5]
    assert batch.transactions.columns["amount"].values.tolist() == [-2, -1, 0, -1, 0]
    part = batch.slice(1, 3)
    assert ids(part) == ["bob", "cat"]
    assert part.transactions.offsets.tolist() == [0, 2, 2]
    assert np.shares_memory(
        part.transactions.columns["amount"].values, batch.transactions.columns["amount"].values
    )


def of_each(store: FactStore) -> dict[str, dict[str, Any]]:
    """Return the facts of each customer, as they are found one by one."""
    names = [name for p, _ in store.partitions() for name in store.read(p).customer_ids]
    return {name: customer_context(store.find(name), 0, Date(9)) for name in names}


def of_all(store: FactStore) -> dict[str, dict[str, Any]]:
    """Return the facts of each customer, as partitions have them."""
    batches = [store.read(name) for name, _ in store.partitions()]
    return {
        name: customer_context(batch, index, Date(9))
        for batch in batches
        for index, name in enumerate(batch.customer_ids)
    }


def several(count: int = 7) -> Iterator[Rows]:
    """Yield rows of customers with zero, one or two transactions, not in their order."""
    for number in (3, 0, 6, 1, 5, 2, 4)[:count]:
        rows = [{"booking date": n, "amount": -number - 1} for n in range(number % 3)]
        yield bank(rows, f"c{number}")


def files_of(store: Path) -> list[str]:
    """Return the names of the present files of transactions."""
    names = FactStore(store).segment_names()
    return sorted(p.name for name in names for p in (store / "facts" / name).glob("trans*"))


@pytest.fixture
def in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FactStore:
    """Return a compacted store whose partition has a file for every two customers."""
    monkeypatch.setattr(segments, "CUSTOMERS_PER_FILE", 2)
    store = FactStore.create(tmp_path, Schema())
    store.append_all(several())
    store.compact()
    return store


def test_one_customer_is_read_without_the_transactions_of_most_others(
    in_files: FactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = in_files
    assert files_of(tmp_path) == [f"transactions-000{n}.parquet" for n in range(3)]  # c6 has none
    assert of_each(store) == of_all(store)
    read = list[str]()

    def noted(path: Path) -> bytes:
        read.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(place, "read_file", noted)
    assert len(store.find("c5").transactions.columns["amount"].values) == 2
    assert {name for name in read if name.startswith("tr")} == {"transactions-0002.parquet"}
    store.append(bank([{"id": "new", "booking date": 8, "amount": -77}], "c5"))
    store.append(bank([{"booking date": 0, "amount": -88}], "c6"))
    assert amounts(store, "c5")[-1] == -77
    assert of_each(store) == of_all(store)
    before = of_all(store)
    store.compact()
    assert len(files_of(tmp_path)) == 4
    assert of_each(FactStore(tmp_path)) == of_all(FactStore(tmp_path)) == before


def test_an_erased_customer_is_in_no_file_of_a_partition_in_several_files(
    in_files: FactStore, tmp_path: Path
) -> None:
    store = in_files
    others = {name: facts for name, facts in of_all(store).items() if name != "c2"}
    assert look_for(tmp_path, "c2", ["c2-1"]).left
    store.erase("c2")
    assert look_for(tmp_path, "c2", ["c2-1"]).left == ()
    assert of_each(store) == of_all(store) == others
    assert store.remove("c5", ["0"]) == 1
    assert len(store.find("c5").transactions.columns["amount"].values) == 1


def test_a_file_without_rows_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "CUSTOMERS_PER_FILE", 1)
    store = FactStore.create(tmp_path, Schema())
    store.append_all(several())
    store.compact()
    assert "transactions-0000.parquet" not in files_of(tmp_path)
    assert "transactions-0001.parquet" in files_of(tmp_path)
    assert of_each(store) == of_all(store)


def test_a_store_with_one_file_of_transactions_is_read_and_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.append_all(several())
    store.compact()
    path = tmp_path / "facts/manifest.json"
    path.write_bytes(
        manifest._encode(FolderPlace(tmp_path).read_manifest()[0], 4)
    )  # as the version before wrote it
    old = FactStore(tmp_path)
    assert old.digest == store.digest
    monkeypatch.setattr(segments, "CUSTOMERS_PER_FILE", 2)
    before = of_all(old)
    assert of_each(old) == before
    old.compact()
    assert FolderPlace(tmp_path).read_manifest()[0].format == 5
    assert "transactions-0000.parquet" in files_of(tmp_path)
    assert of_each(FactStore(tmp_path)) == of_all(FactStore(tmp_path)) == before


def test_a_customer_may_have_no_accounts(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    store.append(Rows(frame("customers", [{"id": "new", "currency": "GBP"}])))
    seen = customer_context(store.find("new"), 0, Date(1))
    assert (seen["accounts"], seen["transactions"]) == ([], [])
    assert seen["customer"]["history days"] == 0


def test_rows_of_many_customers_are_found_in_one_look_at_each_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = FactStore.create(tmp_path, Schema())
    names = [f"c{number}" for number in range(6)]
    for name in names:
        facts.append(bank([{"booking date": 1, "amount": -1}], name), partition_size=2)
    looked: list[str] = []
    table = segments.Segments.table

    def counted(self: segments.Segments, partition: manifest.Partition, name: str) -> pl.DataFrame:
        looked.append(partition.name)
        return table(self, partition, name)

    monkeypatch.setattr(segments.Segments, "table", counted)
    found = facts.rows_of(*names).tables()
    assert sorted(found["customers"]["id"]) == names
    assert len(found["transactions"]) == 6
    assert len(looked) == len(set(looked)) == 3
    with pytest.raises(UserError, match="there is no customer x"):
        facts.rows_of("c0", "x")


def test_a_value_that_changes_and_changes_back_is_given_each_time(tmp_path: Path) -> None:
    store, known, given = FactStore.create(tmp_path, Schema()), set[str](), []
    for amount in (-1, -2, -1, -2):
        store.append(bank([{"id": "1", "booking date": 1, "amount": amount}]))
        rows = [part.transactions for part in store.parts(known) if part.transactions is not None]
        given.append([one for part in rows for one in part["amount"]])
        known |= store.part_names()
    assert given == [[-1], [-2], [-1], [-2]]
    assert [part.transactions for part in store.parts(known)] == [None]


def test_an_unknown_customer_is_named(store: Path) -> None:
    with pytest.raises(UserError, match="there is no customer zoe") as caught:
        FactStore(store).find("zoe")
    assert caught.value.code == "facts.unknown-customer"


def test_a_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    FactStore.create(tmp_path / "new", Schema())
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_a_missing_store_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no store here"):
        FactStore(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_files_are_detected(store: Path, damage: str) -> None:
    victim = next((store / "facts").glob("*/transactions.parquet"))
    data = victim.read_bytes()
    if damage == "cut":
        victim.write_bytes(data[:-9])
    elif damage == "flip":
        victim.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    else:
        victim.unlink()
    with pytest.raises(UserError, match=r"transactions\.parquet") as caught:
        FactStore(store).read("p00000")
    assert caught.value.code == "store.corrupt"


def test_a_damaged_manifest_is_detected(store: Path) -> None:
    path = store / "facts/manifest.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="damaged") as caught:
        FactStore(store)
    assert caught.value.code == "store.corrupt"


def test_a_store_of_another_format_is_refused(store: Path) -> None:
    path = store / "facts/manifest.json"
    path.write_text(path.read_text().replace('"format":5', '"format":99'))
    with pytest.raises(UserError, match="of format 99, and this version reads 5"):
        FactStore(store)


@pytest.mark.parametrize("survives", range(12))
def test_a_write_that_fails_at_any_point_leaves_the_old_store_or_the_new(
    store: Path, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the n-th flush to the disk: each is a place where a kill could be."""
    before = amounts(FactStore(store))
    calls = 0
    real = os.fsync

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > survives:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    rows = bank([{"id": "new", "booking date": 30_000, "amount": -5}])
    failed = ""
    try:
        FactStore(store).append(rows)
    except UserError as error:
        failed = f"{error.code}: {error.message}"
    monkeypatch.undo()
    assert failed == "" or failed.startswith("store.disk: ")
    assert failed == "" or "No space left on device" in failed
    assert amounts(FactStore(store)) in (before, [*before, -5])
    FactStore(store).append(rows)  # and the same again heals everything
    assert amounts(FactStore(store)) == [*before, -5]
    assert not list((store / "facts").glob(".*"))


@st.composite
def imports(draw: st.DrawFn) -> list[list[dict[str, object]]]:
    row = st.fixed_dictionaries(
        {
            "id": st.sampled_from("abcdef"),
            "booking date": st.integers(0, 3),
            "amount": st.integers(-5, 5),
            "category": st.sampled_from([None, "food", "rent"]),
        }
    )
    batch = st.lists(row, max_size=5, unique_by=lambda r: str(r["id"]))
    return draw(st.lists(batch, max_size=5))


@examples(10, 400)
@given(imports(), st.booleans())
def test_a_store_is_a_table_keyed_by_identifier(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[dict[str, object]]], compact: bool
) -> None:
    store = FactStore.create(tmp_path_factory.mktemp("store"), Schema())
    model: dict[object, dict[str, object]] = {}
    for batch in batches:
        store.append(bank(batch))
        for row in batch:
            model[row["id"]] = row  # a dict keeps the place of a key that is set again
    if compact:
        store.compact()
    expected = sorted(model.values(), key=lambda row: int(str(row["booking date"])))
    if not store.partitions():
        assert not batches
        return
    table = store.find("ann").transactions
    found = list(
        zip(
            table.columns["booking date"].values.tolist(),
            table.columns["amount"].values.tolist(),
            [table.columns["category"].dictionary[c] for c in table.columns["category"].values],
            strict=True,
        )
    )
    assert found == [(r["booking date"], r["amount"], r["category"]) for r in expected]
