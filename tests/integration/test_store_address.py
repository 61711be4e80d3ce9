"""A store at an address: snapshots, parts that are done twice, ranges, damage, many writers."""

import datetime
import io
import json
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
import stamina
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from tests.addresses import AS_OF, Packed, packed, population, run_here, run_there, share, use_as_of
from tests.building import ROOT, bank, day, some_rules
from tests.conftest import Run
from tests.results import new_table

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.results import DynamoResults
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.objects import nights
from tuppence.adapters.objects.address_consents import GROUPS, AddressConsents
from tuppence.adapters.objects.address_place import AddressPlace
from tuppence.adapters.objects.erasing import ErasableAddress
from tuppence.adapters.objects.night_parts import keep_problem
from tuppence.adapters.objects.nights import AddressPart
from tuppence.adapters.objects.objects import Objects
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.adapters.part_threads import PartThreads
from tuppence.bootstrap.address import night_at_address, store_at
from tuppence.bootstrap.store import StoreFolder
from tuppence.errors import TransientError, UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import Census
from tuppence.facts.consent import PURPOSE, SCOPE, Consent
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.packed import Layout
from tuppence.rules.ruleset import Ruleset
from tuppence.rules.value_names import value_names
from tuppence.usecases.ledger import RunRecord, Tally, WorkItem
from tuppence.usecases.part_night import (
    NightAtAddress,
    PartProblem,
    begin_by_parts,
    finish_by_parts,
    run_by_parts,
)

NEXT = "2026-07-01"


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return some_rules("bank_fees", "eating_out_up", "pay_arrived")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, rules: Ruleset) -> StoreFolder:
    """A store in a folder, after two nights."""
    store = population(tmp_path_factory.mktemp("here") / "store")
    run_here(store, rules, AS_OF)
    (store.path / "first.json").write_text(json.dumps(_readable(packed(store))))
    run_here(store, rules, NEXT)
    return store


def _readable(found: Packed) -> dict[str, tuple[int, str]]:
    return {customer: (as_of, data.hex()) for customer, (as_of, data) in found.items()}


@pytest.fixture
def shared(here: StoreFolder, tmp_path: Path) -> StoreAddress:
    return share(here, f"file://{tmp_path}/shared")


def facts_of(batch: FactBatch) -> object:
    return batch.customer_ids, {
        name: [column.dictionary[code] for code in column.values]
        if len(column.dictionary) > 1
        else column.values.tolist()
        for name, column in batch.transactions.columns.items()
    }


def test_two_nights_at_an_address_leave_the_bytes_of_two_nights_in_a_folder(
    here: StoreFolder, shared: StoreAddress, rules: Ruleset
) -> None:
    first = run_there(shared, rules, AS_OF)
    assert _readable(packed(shared)) == {
        customer: tuple(kept)
        for customer, kept in json.loads((here.path / "first.json").read_text()).items()
    }
    second = run_there(shared, rules, NEXT)
    assert packed(shared) == packed(here)
    assert (first.tally.customers, second.tally.customers) == (60, 60)
    assert first.tally.changed == 180 > second.tally.changed
    again = run_there(shared, rules, NEXT)
    assert again.already_finished
    assert again.tally == second.tally
    with pytest.raises(UserError, match="the last run was as of 2026-07-01"):
        run_there(shared, rules, AS_OF)


def test_a_part_done_twice_late_or_by_two_workers_changes_nothing(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path
) -> None:
    run_there(shared, rules, AS_OF)
    shared.rulesets.put(rules)
    night = night_at_address(shared, use_as_of(NEXT), "", 2)
    twice = list[Tally | PartProblem]()

    class Twice:
        """Does each part at two workers at the same time, which know nothing of each other."""

        def each(self, do, parts):  # type: ignore[no-untyped-def]
            for part in parts:
                opened = [nights._OpenNight(do.address, do.folder, None) for _ in range(2)]
                with ThreadPoolExecutor(2) as pool:
                    futures = [pool.submit(one.do, part.partition) for one in opened]
                found = [future.result() for future in futures]
                twice.extend(found)
                yield part, found[0]

    outcome = run_by_parts(night._replace(workers=Twice()), rules, Date(day(NEXT)), lambda _: None)
    assert twice[::2] == twice[1::2]
    assert len(twice) == 12
    before = packed(shared)
    files = sorted(str(path) for path in tmp_path.rglob("*"))
    late = night.nights.doing(outcome.run_id)
    assert late(WorkItem("p00003", 0, 10)) == twice[6]
    assert packed(shared) == before
    assert sorted(str(path) for path in tmp_path.rglob("*")) == files


class Further(msgspec.Struct, frozen=True):
    """Opens results in a file beside those of the night."""

    path: str

    def __call__(self) -> Database:
        return Database(Path(self.path), write_ahead=True)


def test_each_part_writes_to_other_results_before_it_is_done_and_late_ones_nothing(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path
) -> None:
    shared.rulesets.put(rules)
    further = Further(str(tmp_path / "results.sqlite"))
    night = NightAtAddress(*shared.nights(use_as_of(), further), PartThreads(1))

    def copied() -> dict[str, tuple[int, bytes]]:
        with further() as store:
            return {row.customer_id: (row.as_of, row.packed) for row in store.scan()}

    done = list[Tally]()
    outcome = run_by_parts(night, rules, Date(day(AS_OF)), done.append)
    assert copied() == packed(shared)
    with further() as store:
        store.erase("C0000001")
    part = WorkItem("p00000", 0, 10)
    assert night.nights.doing(outcome.run_id)(part) == done[0]
    assert "C0000001" not in copied(), "a part that is done writes nothing again"
    nights = shared.nights(use_as_of(NEXT), further)[1]
    nights.start(RunRecord("first", day(NEXT), rules.digest, (part.name,)))
    late = nights.doing("first")
    nights.start(RunRecord("second", day(NEXT), rules.digest, (part.name,)))
    before = copied()
    found = late(part)
    assert isinstance(found, PartProblem)
    assert found.code == "run.superseded"
    assert copied() == before


def test_a_night_that_others_do_names_what_is_missing_until_all_is_done(
    shared: StoreAddress, rules: Ruleset
) -> None:
    shared.rulesets.put(rules)
    facts, nights = shared.nights(use_as_of())
    run_id, left = begin_by_parts(facts, nights, rules, Date(day(AS_OF)))
    assert [part.partition for part in left] == [f"p0000{number}" for number in range(6)]
    listed = nights.list_left(run_id, left)
    assert msgspec.json.decode(Objects(str(shared)).get(f"{listed.folder}/left.json")[0])
    do = nights.doing(run_id)
    for part in left[:4]:
        assert isinstance(do(part), Tally)
    keep_problem(
        Objects(str(shared)), listed.folder, "p00004", PartProblem("store.corrupt", "is damaged")
    )
    with pytest.raises(UserError, match="2 of 6 parts of the run are missing") as raised:
        finish_by_parts(nights, run_id)
    assert raised.value.details == (
        "p00004: is damaged",
        "p00005: no worker has done it, or told why not",
    )
    again, left = begin_by_parts(facts, nights, rules, Date(day(AS_OF)))
    assert (again, [part.partition for part in left]) == (run_id, ["p00004", "p00005"])
    for part in left:
        do(part)
    assert finish_by_parts(nights, run_id).tally.customers == 60
    assert finish_by_parts(nights, run_id).already_finished
    assert shared.has_results


def test_a_night_evaluates_the_facts_of_its_beginning(
    shared: StoreAddress, rules: Ruleset, here: StoreFolder
) -> None:
    came = list[Tally]()

    def import_meanwhile(tally: Tally) -> None:
        if not came:
            fees = [{"booking date": day(AS_OF), "amount": -500, "category": "bank fee"}] * 3
            for name in ("C0000001", "new"):
                rows = [{**fee, "id": f"late{n}"} for n, fee in enumerate(fees)]
                shared.facts().append(bank(rows, name))
        came.append(tally)

    outcome = run_there(shared, rules, AS_OF, advance=import_meanwhile)
    assert outcome.tally.customers == 60
    assert _readable(packed(shared)) == {
        customer: tuple(kept)
        for customer, kept in json.loads((here.path / "first.json").read_text()).items()
    }
    assert run_there(shared, rules, AS_OF).tally.customers == 61
    assert packed(shared).keys() - packed(here).keys() == {"new"}


def test_missing_parts_are_named_and_the_same_command_does_them(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path, here: StoreFolder
) -> None:
    (segment,) = (tmp_path / "shared/facts").glob("p00002-*")
    whole = segment.read_bytes()
    segment.write_bytes(bytes(40) + whole[40:])
    with pytest.raises(UserError, match="1 of 6 parts of the run are missing") as raised:
        run_there(shared, rules)
    assert raised.value.code == "store.corrupt"
    (detail,) = raised.value.details
    assert detail.startswith("p00002:0-10: ")
    assert "damaged: its checksum" in detail
    assert "the same command does only the missing parts" in raised.value.hint
    with pytest.raises(UserError, match="no run over this store is finished"):
        shared.read_results()
    segment.write_bytes(whole)
    done = list[Tally]()
    assert run_there(shared, rules, advance=done.append).resumed == 5
    assert len(done) == 6
    assert len(packed(shared)) == len(packed(here))


def test_a_night_fetches_only_the_columns_that_its_rules_read(
    shared: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = dict[str, int]()
    ranges = Objects.ranges

    def noted(self: Objects, name: str, wanted: list[tuple[int, int]]) -> list[bytes]:
        fetched[name] = fetched.get(name, 0) + sum(stop - start for start, stop in wanted)
        return ranges(self, name, wanted)

    monkeypatch.setattr(Objects, "ranges", noted)
    run_there(shared, some_rules("bank_fees"))
    facts = shared.facts()
    sizes = {
        f"facts/{one.name}": sum(size for size, _ in one.checksums.values())
        for partition in facts.manifest.partitions
        for one in partition.segments
    }
    assert fetched.keys() == sizes.keys()
    assert sum(fetched.values()) < 0.5 * sum(sizes.values())


def test_parts_of_a_night_of_another_version_or_with_lost_facts_say_so(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path
) -> None:
    outcome = run_there(shared, rules)
    do = night_at_address(shared, use_as_of(), "", 1).nights.doing(outcome.run_id)
    assert isinstance(do, AddressPart)
    other = AddressPart(do.address, do.folder, "0.0.1")(WorkItem("p00000", 0, 10))
    assert isinstance(other, PartProblem)
    assert other.code == "run.version"
    (segment,) = (tmp_path / "shared/facts").glob("p00000-*")
    (tmp_path / f"shared/{do.folder}/done/p00000.json").unlink()
    segment.unlink()
    gone = do(WorkItem("p00000", 0, 10))
    assert isinstance(gone, PartProblem)
    assert gone.code == "store.corrupt"


def test_those_who_withdraw_consent_keep_their_results_and_get_no_new_ones(
    here: StoreFolder, rules: Ruleset, tmp_path: Path
) -> None:
    shared = share(here, f"file://{tmp_path}/shared")
    run_there(shared, rules, AS_OF)
    before = packed(shared)
    gone = Consent("C0000002", "1", PURPOSE, SCOPE, "GB", 0, withdrawn=day(AS_OF))
    shared.consents.record([gone])
    outcome = run_there(shared, rules, NEXT)
    assert outcome.tally.customers == 59
    assert packed(shared)["C0000002"] == before["C0000002"]
    others = {customer: row for customer, row in packed(here).items() if customer != gone.customer}
    assert packed(shared) == {**others, gone.customer: before[gone.customer]}


def test_a_partition_of_several_segments_is_read_by_columns(tmp_path: Path) -> None:
    place = AddressPlace(Objects(f"file://{tmp_path}/shared"))
    places = (FactStore.create(place, Schema()), FactStore.create(tmp_path / "here", Schema()))
    for store in places:
        for number in range(3):
            rows = [
                {"id": str(number + n), "booking date": 20_000 - n, "amount": -n - number,
                 "category": f"kind{n}", "description": "x"}
                for n in range(3)
            ]  # fmt: skip
            store.append(bank(rows, f"c{number % 2}"))
    there, local = places
    assert there.digest != local.digest  # the files differ, the facts do not
    assert facts_of(there.read("p00000")) == facts_of(local.read("p00000"))
    some = ("amount", "category")
    assert facts_of(there.read("p00000", some)) == facts_of(local.read("p00000", some))
    assert "description" not in there.read("p00000", some).transactions.columns
    assert facts_of(there.find("c1")) == facts_of(local.find("c1"))
    there.compact()
    assert facts_of(there.read("p00000")) == facts_of(local.read("p00000"))
    there.erase("c1")
    assert there.read("p00000").customer_ids == ("c0",)


def test_segments_without_transactions_are_read_by_columns(tmp_path: Path) -> None:
    place = AddressPlace(Objects(f"file://{tmp_path}/shared"))
    for store in (FactStore.create(place, Schema()), FactStore.create(tmp_path / "a", Schema())):
        store.append(bank([{"booking date": 20_000, "amount": -1}], "ann"), partition_size=1)
        for name in ("bob", "ann"):  # a partition without any, and a segment beside another one
            rows = replace(bank([{"booking date": 1, "amount": -1}], name), transactions=None)
            store.append(rows, partition_size=1)
        some = ("amount", "category", "text")
        found = [store.read(name, some) for name, _ in store.partitions()]
        assert [one.customer_ids for one in found] == [("ann",), ("bob",)]
        assert [len(one.transactions.columns["amount"].values) for one in found] == [1, 0]


def test_an_erasure_leaves_the_segment_of_a_writer_that_commits_meanwhile(
    shared: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Objects.names

    def overtaken(self: Objects, prefix: str) -> list[tuple[str, datetime.datetime]]:
        monkeypatch.setattr(Objects, "names", names)
        store_at(str(shared)).facts().append(bank([{"booking date": 1, "amount": -1}], "new"))
        return names(self, prefix)

    held = ErasableAddress(shared, Objects(str(shared)), None)
    monkeypatch.setattr(Objects, "names", overtaken)
    held.erase_facts("C0000003")
    facts = shared.facts()
    read = [one for name, _ in facts.partitions() for one in facts.read(name).customer_ids]
    assert "new" in read
    assert "C0000003" not in read


def test_the_end_of_a_run_leaves_those_that_have_begun_since(
    shared: StoreAddress, rules: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = night_at_address(shared, use_as_of(AS_OF), "", 1).nights
    nights.start(RunRecord("first", day(AS_OF), rules.digest, ()))
    names = Objects.names

    def overtaken(self: Objects, prefix: str) -> list[tuple[str, datetime.datetime]]:
        monkeypatch.setattr(Objects, "names", names)
        nights.start(RunRecord("second", day(NEXT), rules.digest, ()))
        return names(self, prefix)

    monkeypatch.setattr(Objects, "names", overtaken)
    nights.finish("first")
    assert dict(nights.done("second")) == {}


def test_a_fault_of_the_program_is_the_reason_of_its_part(
    shared: StoreAddress, rules: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = night_at_address(shared, use_as_of(AS_OF), "", 1).nights
    part = WorkItem("p00000", 0, 1)
    nights.start(RunRecord("faulty", day(AS_OF), rules.digest, (part.name,)))
    do = nights.doing("faulty")
    monkeypatch.setattr("tuppence.adapters.objects.nights._open_night", lambda *_: 1 / 0)
    found = do(part)
    assert isinstance(found, PartProblem)
    assert (found.code, found.message) == (
        "run.failed", "a fault of the program ended it: ZeroDivisionError"
    )  # fmt: skip
    assert nights.problems("faulty") == {"p00000": found}


def test_writers_that_are_overtaken_start_again_from_the_new_facts(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/shared"
    FactStore.create(AddressPlace(Objects(address)), Schema())
    row = {"booking date": 20_000, "amount": -1}

    def write(number: int) -> None:
        store = FactStore(AddressPlace(Objects(address)))
        for turn in range(2):
            store.append(bank([{**row, "id": f"{turn}"}], f"c{number}"), partition_size=2)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    facts = store_at(address).facts()
    assert sorted(facts.customers()["id"]) == [f"c{n}" for n in range(4)]
    assert facts.transaction_count == 8
    assert sum(count for _, count in facts.partitions()) == 4
    sequences = [
        rows.transactions["sequence"] for rows in facts.parts() if rows.transactions is not None
    ]
    assert len({number for some in sequences for number in some}) == 8


def test_facts_that_no_manifest_names_are_removed_when_nobody_can_need_them(tmp_path: Path) -> None:
    """The facts of a night stay, and those that a writer has just put."""
    place = AddressPlace(Objects(f"file://{tmp_path}/shared"))
    store = FactStore.create(place, Schema())
    row = {"booking date": 20_000, "amount": -1}
    store.append(bank([row], "ann"))
    (first,) = store.segment_names()
    folder = tmp_path / "shared/facts"
    night = tmp_path / "shared/runs/000001-a"
    night.mkdir(parents=True)
    (night / "facts.json").write_bytes((folder / "manifest.json").read_bytes())
    for name in (first, "p00000-lost"):
        (folder / name).write_bytes((folder / first).read_bytes())
        os.utime(folder / name, (1, 1))
    (folder / "p00000-new").write_bytes(b"of a writer")
    for number in range(9):  # compacts, so that no manifest names the first
        store.append(bank([{**row, "id": str(number)}], "ann"))
    left = {path.name for path in folder.iterdir()}
    assert first in left
    assert "p00000-lost" not in left
    assert "p00000-new" in left
    (night / "facts.json").unlink()
    store.append(bank([row], "bob"))
    assert first not in {path.name for path in folder.iterdir()}


def test_commands_load_run_and_list_a_store_at_an_address(
    here: StoreFolder, tuppence: Run, tmp_path: Path
) -> None:
    address = f"file://{tmp_path}/shared"
    for _ in range(2):  # the second time changes nothing
        loaded = tuppence("load", "--store", here.path, "--to", address).stdout
        assert loaded.startswith(f"{here.facts().transaction_count:,} transactions in ")
    rules = ROOT / "catalogue/bank_fees.yaml"
    run = ("run", "--rules", rules, "--as-of", AS_OF, "--format", "json", "--store")
    found = json.loads(tuppence(*run, address).stdout)
    assert (found["customers"], found["already_finished"]) == (60, False)
    assert json.loads(tuppence(*run, address).stdout)["already_finished"]
    listed = tuppence("results", "--store", address, "--customer", "C0000001", "--format", "json")
    assert json.loads(listed.stdout)["rule_id"] == "bank_fees"
    refused = tuppence(*run, here.path, "--on", "dask://127.0.0.1:1", status=1).stderr
    assert "run.folder" in refused
    assert "tuppence load" in refused
    assert (
        "run.cluster" in tuppence(*run, address, "--as-of", NEXT, "--on", "x://y", status=1).stderr
    )
    table = ("--results", "results.sqlite")
    assert "run.folder" in tuppence(*run, here.path, *table, status=1).stderr
    assert "results.address" in tuppence(*run, address, "--as-of", NEXT, *table, status=1).stderr
    assert "store.missing" in tuppence(*run, f"file://{tmp_path}/no", status=1).stderr
    assert "store.address" in tuppence(*run, "ftp://host/store", status=1).stderr


def test_what_people_read_at_an_address_is_what_they_read_in_a_folder(
    here: StoreFolder, rules: Ruleset, tmp_path: Path, tuppence: Run
) -> None:
    """The two nights of the folder, at an address: feeds, reasons, previews, exports."""
    shared = share(here, f"file://{tmp_path}/shared")
    explain = ("explain", "C0000001", "bank_fees", "--format", "json", "--store")
    assert "results.missing" in tuppence(*explain, shared, status=1).stderr
    for day_of_night in (AS_OF, NEXT):
        run_there(shared, rules, day_of_night)
    rule = ROOT / "catalogue/bank_fees.yaml"
    for asked in (
        explain,
        ("feed", "C0000001", "--new", "--format", "json", "--store"),
        ("rules", "preview", rule, "--format", "json", "--store"),
    ):
        assert tuppence(*asked, shared).stdout == tuppence(*asked, here.path).stdout
    ours, theirs = (
        json.loads(tuppence("export", "C0000001", "--store", one).stdout)
        for one in (here.path, shared)
    )
    assert theirs["results"] == ours["results"]
    assert theirs.keys() == ours.keys()
    assert theirs["customers"] == ours["customers"]
    assert theirs["transactions"] == ours["transactions"]
    unknown = ("feed", "nobody", "--store", shared)
    assert "facts.unknown-customer" in tuppence(*unknown, status=1).stderr


def test_nothing_is_sent_without_tls_unless_an_operator_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "eu-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
    with pytest.raises(UserError, match="cannot be reached") as raised:
        Objects("s3://bucket/store").get("facts/manifest.json")
    assert "builder error" in raised.value.message


def test_an_erasure_leaves_nothing_of_a_customer_in_any_object(
    here: StoreFolder, rules: Ruleset, tmp_path: Path, tuppence: Run
) -> None:
    shared = share(here, f"file://{tmp_path}/shared")
    partial = Consent("C0000003", "1", PURPOSE, ("transactions",), "GB", 0)
    shared.consents.record([partial])
    run_there(shared, rules, AS_OF)
    forget = ("forget", "C0000003", "--store", str(shared), "--yes")
    night_at_address(shared, use_as_of(NEXT), "", 1).nights.start(
        RunRecord("unfinished", day(NEXT), rules.digest, ())
    )
    assert "run.unfinished" in tuppence(*forget, status=1).stderr
    run_there(shared, rules, NEXT)
    runs = tmp_path / "shared/runs"
    for name in ("000009-late/results/p00000-a", "000009-late/done/p00000.json"):
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).write_text("C0000003")
    before = packed(shared)
    said = tuppence(*forget).stdout
    assert "the results, 1 consents" in said
    assert "none names the customer or an account" in said
    assert "C0000003" in before
    assert packed(shared) == {who: row for who, row in before.items() if who != "C0000003"}
    assert "C0000003" not in shared.facts().customers()["id"]
    files = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert not [path for path in files if b"C0000003" in path.read_bytes()]
    kept = {path.name for path in (tmp_path / "shared/facts").iterdir()} - {"manifest.json.lock"}
    assert kept == {"manifest.json", *shared.facts().segment_names()}
    assert "facts.unknown-customer" in tuppence(*forget, status=1).stderr


def test_an_erasure_can_give_up_a_run_and_late_workers_keep_nothing(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path, tuppence: Run
) -> None:
    run_there(shared, rules, AS_OF)
    before = packed(shared)
    facts, runs = shared.nights(use_as_of(NEXT))
    run_id, left = begin_by_parts(facts, runs, rules, Date(day(NEXT)))
    late = runs.doing(run_id)
    assert isinstance(late(left[1]), Tally)
    forget = ("forget", "C0000003", "--store", str(shared), "--yes")
    assert "--abandon-run" in tuppence(*forget, status=1).stderr
    tuppence(*forget, "--abandon-run")
    del before["C0000003"]
    assert packed(shared) == before, "those of the run before are the last ones again"
    files = sorted((tmp_path / "shared").rglob("*"))
    found = late(left[0])
    assert isinstance(found, PartProblem)
    assert found.code == "run.superseded"
    assert sorted((tmp_path / "shared").rglob("*")) == files
    assert run_there(shared, rules, NEXT).tally.customers == 59
    tuppence("forget", "C0000004", "--store", str(shared), "--yes", "--abandon-run")


def test_a_run_that_is_given_up_for_another_one_is_named(
    shared: StoreAddress, rules: Ruleset, tuppence: Run
) -> None:
    shared.rulesets.put(rules)
    record = RunRecord("first", day(AS_OF), rules.digest, ())
    shared.nights(use_as_of())[1].start(record)
    command = ("run", "--store", str(shared), "--rules", "catalogue/bank_fees.yaml")
    told = tuppence(*command, "--as-of", AS_OF).stderr
    assert f"The run before, first as of {AS_OF}, was not finished. It was given up" in told
    assert "given up" not in tuppence(*command, "--as-of", NEXT).stderr


def test_a_late_worker_that_cannot_reach_the_store_deletes_nothing(
    shared: StoreAddress, rules: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not know whether the run was finished meanwhile, whose results are needed."""
    shared.rulesets.put(rules)
    runs = shared.nights(use_as_of())[1]
    runs.start(RunRecord("first", day(AS_OF), rules.digest, ("p00000",)))
    do = runs.doing("first")
    real, asked = nights.latest_night, list[Objects]()

    def latest(objects: Objects) -> Any:
        asked.append(objects)
        if len(asked) > 1:
            raise TransientError("store.unreachable", "it is away")
        return real(objects)

    monkeypatch.setattr(nights, "latest_night", latest)
    with pytest.raises(TransientError):
        do(WorkItem("p00000", 0, 10))
    monkeypatch.setattr(nights, "latest_night", real)
    assert list(runs.done("first")) == ["p00000"]


def test_the_first_run_can_be_given_up(shared: StoreAddress, rules: Ruleset) -> None:
    shared.nights(use_as_of())[1].start(RunRecord("first", day(AS_OF), rules.digest, ()))
    nights.abandon_night(Objects(str(shared)))
    nights.abandon_night(Objects(str(shared)))
    assert shared.latest_run() is None
    assert run_there(shared, rules, AS_OF).tally.customers == 60


def test_rows_that_nothing_names_are_read_after_an_erasure(
    shared: StoreAddress, rules: Ruleset, tmp_path: Path, tuppence: Run
) -> None:
    """A writer that was broken off leaves compressed rows, in which no search finds a name."""
    run_there(shared, rules, AS_OF)
    lost, table = tmp_path / "shared/facts/p00000-lost", io.BytesIO()
    customers = pl.DataFrame({"id": [f"C{number:07}" for number in range(5_000)]})
    customers.write_parquet(table, compression="zstd")
    content = b'{"account":["main"]}' + 2 * table.getvalue()
    assert b"C0000003" not in content, "no search of the bytes finds the name"
    lost.write_bytes(content)
    forget = ("forget", "C0000003", "--store", str(shared), "--yes")
    said = tuppence(*forget, status=1).stderr
    assert "traces of this customer are left in facts/p00000-lost" in said
    lost.write_bytes(content[:-100])
    assert "facts/p00000-lost" in tuppence(*forget, status=1).stderr
    lost.write_bytes(b'{"account":["C0000003"]}')
    assert "facts/p00000-lost" in tuppence(*forget, status=1).stderr
    lost.write_bytes(b'{"account":["C00000031"]}')  # somebody else
    assert "facts.unknown-customer" in tuppence(*forget, status=1).stderr
    lost.unlink()
    assert "facts.unknown-customer" in tuppence(*forget, status=1).stderr


class BusyResults:
    """Opens results in a table that is throttled the first times that rows are put there.

    Args:
        name: The table.
        layout: The layout of the results.
        times: The number of requests that are throttled.
    """

    def __init__(self, name: str, layout: Layout, times: int) -> None:
        self.refusals = [None] * times
        self._name = name
        self._layout = layout

    def __call__(self) -> DynamoResults:
        dynamodb = client("dynamodb", attempts=1)
        dynamodb.meta.events.register("before-send.dynamodb.BatchExecuteStatement", self._refuse)
        return DynamoResults(dynamodb, self._name, lambda _: self._layout)

    def _refuse(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        if not self.refusals:
            return None
        self.refusals.pop()
        return AWSResponse(request.url, 400, {}, Throttled(THROTTLED))


class Throttled(io.BytesIO):
    """The body of an answer as botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


THROTTLED = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}'


@pytest.mark.usefixtures("aws")
def test_a_part_whose_table_is_throttled_is_done_again_after_a_pause(
    shared: StoreAddress, rules: Ruleset
) -> None:
    shared.rulesets.put(rules)
    layout = Layout(rules.digest, value_names(rules.content))
    table = BusyResults(new_table("customer_id", "rule_id"), layout, 2)
    night = NightAtAddress(*shared.nights(use_as_of(), table), PartThreads(1))
    with stamina.set_testing(True, attempts=3):
        outcome = run_by_parts(night, rules, Date(day(AS_OF)), lambda _: None)
    assert outcome.tally.customers == 60
    assert not table.refusals
    assert len(packed(shared)) == 60
    table = BusyResults(new_table("customer_id", "rule_id"), layout, 9)
    nights = shared.nights(use_as_of(NEXT), table)[1]
    part = WorkItem("p00000", 0, 10)
    nights.start(RunRecord("busy", day(NEXT), rules.digest, (part.name,)))
    with stamina.set_testing(True, attempts=3):
        ((_, found),) = PartThreads(1).each(nights.doing("busy"), [part])
    assert isinstance(found, PartProblem)
    assert found.code == "results.unavailable"
    assert nights.problems("busy") == {"p00000": found}, "the end of a night on AWS names it"


def test_a_transient_error_stays_one_when_another_process_raises_it() -> None:
    error = TransientError("results.unavailable", "busy", "try again later", ["a", "b"], 3)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own bytes
    assert type(copy) is TransientError
    assert vars(copy) == vars(error)


def test_a_night_reads_the_census_of_its_beginning(shared: StoreAddress, rules: Ruleset) -> None:
    first = Census(day("2026-06-01"), {"GBP 1 1": {"groceries": 30_000}})
    shared.keep_census(first)
    night = night_at_address(shared, use_as_of(), "", 1)
    assert night.facts.read("p00000").census == first
    shared.rulesets.put(rules)
    night.nights.start(RunRecord("one", day(AS_OF), rules.digest, ()))
    shared.keep_census(Census(day("2026-07-01")))
    do = night.nights.doing("one")
    assert isinstance(do, AddressPart)
    assert nights._OpenNight(do.address, do.folder, None)._facts.read("p00000").census == first
    assert shared.census() == Census(day("2026-07-01"))


def test_consents_are_kept_by_groups_of_customers(tmp_path: Path) -> None:
    objects = Objects(f"file://{tmp_path}/shared")
    people = [Consent(f"c{n}", f"{n % 2}", PURPOSE, SCOPE, "GB", 0) for n in range(200)]

    def write(start: int) -> None:
        AddressConsents(objects).record(people[start::4])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    consents = AddressConsents(objects)
    assert set(consents.all()) == set(people)
    assert 1 < len(list((tmp_path / "shared/consents").glob("*.json"))) <= GROUPS
    changed = msgspec.structs.replace(people[0], withdrawn=1)
    consents.record([changed])
    assert consents.of("c0") == [changed]
    assert (consents.erase("c0"), consents.erase("c0")) == (1, 0)
    assert consents.of("c1") == [people[1]]
    assert len(consents.all()) == 199
    objects.put("consents.json", b"[]")
    for read in (consents.all, lambda: consents.of("c1")):
        with pytest.raises(UserError, match="an earlier version has kept the consents") as raised:
            read()
        assert raised.value.code == "store.version"
