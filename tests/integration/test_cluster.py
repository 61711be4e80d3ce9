"""Nights on a cluster of several processes over an object store that fails a tenth of requests."""

import random
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import dask
import pytest
import trustme
from local.servers import AWS_REGION, Server
from local.stack import TUPPENCE
from tests.addresses import AS_OF, packed, population, run_here, run_there, share, use_as_of
from tests.building import bank, some_rules
from tests.clusters import Cluster, FlakyStore
from tests.commands import command
from tests.waiting import wait_until

from tuppence.adapters.aws.clients import client
from tuppence.adapters.dask_cluster import DaskCluster
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.objects.address_place import AddressPlace
from tuppence.adapters.objects.objects import Objects
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.bootstrap.address import night_at_address, store_at
from tuppence.bootstrap.store import StoreFolder
from tuppence.errors import TransientError, UserError
from tuppence.facts.schema import Schema
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.ledger import Tally, WorkItem

BUCKET = "partitions"
RULES = ("bank_fees", "eating_out_up", "pay_arrived")


class Place(NamedTuple):
    """A cluster, the store that it works over, and what that has in one process."""

    cluster: Cluster
    flaky: FlakyStore
    here: StoreFolder


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return some_rules(*RULES)


@pytest.fixture(scope="module")
def place(
    emulator: Server, tmp_path_factory: pytest.TempPathFactory, rules: Ruleset
) -> Iterator[Place]:
    """Two workers beside a store of 60 customers in a folder, after one night."""
    folder = tmp_path_factory.mktemp("cluster")
    here = population(folder / "here")
    run_here(here, rules)
    with FlakyStore(emulator.port).running() as flaky, pytest.MonkeyPatch.context() as patch:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{emulator.port}",
            "AWS_DEFAULT_REGION": AWS_REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        where = {"LocationConstraint": AWS_REGION}
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{flaky.port}"
        patch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
        with Cluster(folder, 2, environment).running() as cluster:
            yield Place(cluster, flaky, here)


def shared(place: Place, name: str) -> StoreAddress:
    return share(place.here, f"s3://{BUCKET}/{name}")


def test_a_cluster_over_a_failing_store_leaves_the_bytes_of_one_process(
    place: Place, rules: Ruleset
) -> None:
    store = shared(place, "night")
    done = list[Tally]()
    outcome = run_there(store, rules, on=place.cluster.address, advance=done.append)
    assert place.flaky.refused > 0
    assert packed(store) == packed(place.here)
    assert (outcome.tally.customers, len(done), outcome.resumed) == (60, 6, 0)
    again = run_there(store, rules, on=place.cluster.address)
    assert again.already_finished
    assert again.tally == outcome.tally


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    place: Place, rules: Ruleset
) -> None:
    store = shared(place, "killed")
    done = list[Tally]()

    def kill(tally: Tally) -> None:
        if not done:
            place.cluster.workers[1].kill()
        done.append(tally)

    try:
        outcome = run_there(store, rules, on=place.cluster.address, advance=kill)
    finally:
        place.cluster.workers[1].begin()
    assert (outcome.tally.customers, len(done)) == (60, 6)
    assert packed(store) == packed(place.here)


def test_a_cluster_does_a_part_again_whose_store_is_busy(place: Place, tmp_path: Path) -> None:
    def do(part: WorkItem) -> Tally:
        tries = len(list(tmp_path.iterdir()))
        (tmp_path / str(tries)).touch()
        if tries < 2:
            raise TransientError("results.unavailable", "the table is throttled")
        return Tally(customers=part.stop)

    part = WorkItem("p00000", 0, 10)
    outcomes = list(DaskCluster(place.cluster.address).each(do, [part]))
    assert outcomes == [(part, Tally(customers=10))]
    assert len(list(tmp_path.iterdir())) == 3


def test_many_writers_add_to_an_object_store_without_a_lock(place: Place) -> None:
    address = f"s3://{BUCKET}/writers-{place.flaky.port}"
    FactStore.create(AddressPlace(Objects(address)), Schema())

    def write(number: int) -> None:
        row = {"booking date": 20_000, "amount": -1}
        FactStore(AddressPlace(Objects(address))).append(bank([row], f"c{number}"), 2)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    facts = store_at(address).facts()
    assert sorted(facts.customers()["id"]) == ["c0", "c1", "c2", "c3"]
    assert facts.transaction_count == 4


@pytest.mark.long
def test_an_erasure_leaves_nothing_of_a_customer_in_any_version_of_an_object(
    place: Place, rules: Ruleset
) -> None:
    s3, gone = client("s3"), "C0000003"
    where = {"LocationConstraint": AWS_REGION}
    s3.create_bucket(Bucket="versions", CreateBucketConfiguration=where)
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    store = share(place.here, "s3://versions/store")
    share(place.here, "s3://versions/store-of-others")
    for as_of in (AS_OF, "2026-07-01"):
        run_there(store, rules, as_of)

    def content(version: Any) -> bytes:
        if "ETag" not in version:  # it marks a deletion
            return b""
        wanted = {"Key": version["Key"], "VersionId": version["VersionId"]}
        return bytes(s3.get_object(Bucket="versions", **wanted)["Body"].read())

    def versions(folder: str) -> list[tuple[str, bytes]]:
        """Return all versions of objects, each with its content."""
        pages = s3.get_paginator("list_object_versions").paginate(Bucket="versions", Prefix=folder)
        return [
            (one["Key"], content(one))
            for page in pages
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]

    before, others = packed(store), versions("store-of-others/")
    assert len({key for key, _ in versions("store/")}) < len(versions("store/"))
    said = command("forget", gone, "--store", store, "--yes")
    assert "none names the customer or an account" in said
    left = versions("store/")
    assert len({key for key, _ in left}) == len(left), "one version of each object"
    assert not [key for key, data in left if gone.encode() in data]
    assert packed(store) == {who: row for who, row in before.items() if who != gone}
    assert gone not in store.facts().customers()["id"]
    assert versions("store-of-others/") == others, "nobody else's"


def test_a_cluster_that_is_not_there_is_named(
    place: Place, rules: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuppence.adapters.dask_cluster._CONNECT_SECONDS", 0.5)
    store = shared(place, "nobody")
    with pytest.raises(UserError, match=r"dask://127\.0\.0\.1:1: no scheduler of Dask answers"):
        run_there(store, rules, on="dask://127.0.0.1:1")


@pytest.mark.long
def test_a_night_that_is_interrupted_goes_on_where_it_stopped(place: Place, rules: Ruleset) -> None:
    """Control-C while the end of a part is held up, which then comes too late."""
    store = shared(place, "interrupted")
    store.rulesets.put(rules)
    night = night_at_address(store, use_as_of(), "", 1).nights
    place.flaky.held = "done/p00005.json"
    catalogue = Path(__file__).parents[2] / "catalogue"
    files = [catalogue / f"{name}.yaml" for name in RULES]
    folder = place.here.path.parent / "some-rules"
    folder.mkdir()
    for file in files:
        (folder / file.name).write_text(file.read_text())
    asked = ("run", "--store", str(store), "--rules", str(folder), "--as-of", AS_OF)
    process = subprocess.Popen(
        [*TUPPENCE, *asked, "--on", place.cluster.address],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )

    def done() -> int:
        run = night.latest()
        return 0 if run is None else len(night.done(run.run_id))

    try:
        wait_until(lambda: done() == 5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        place.flaky.go_on.set()
        process.kill()
    assert process.returncode == 130, said
    assert "the same command continues where it stopped" in said
    outcome = run_there(store, rules, on=place.cluster.address)
    assert outcome.resumed >= 5
    assert packed(store) == packed(place.here)


@pytest.mark.long
def test_a_cluster_with_certificates_refuses_who_has_none(
    place: Place, rules: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, own, other = (str(tmp_path / f"{name}.pem") for name in ("ca", "own", "other"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    for maker, path in ((authority, own), (trustme.CA(), other)):
        maker.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    environment = {
        f"{prefix}CA_FILE": ca,
        **{f"{prefix}{side}__CERT": own for side in ("SCHEDULER", "WORKER", "CLIENT")},
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{place.flaky.port}",
    }
    store = shared(place, "tls")
    monkeypatch.setattr("tuppence.adapters.dask_cluster._CONNECT_SECONDS", 2)
    with Cluster(tmp_path, 1, environment, "tls").running() as cluster:
        with pytest.raises(UserError, match="this machine has no certificate for it"):
            run_there(store, rules, on=cluster.address)
        tls = {"distributed.comm.tls.ca-file": ca, "distributed.comm.tls.client.cert": other}
        with (
            dask.config.set(tls),
            pytest.raises(UserError, match="no scheduler of Dask answers"),
        ):
            run_there(store, rules, on=cluster.address)
        with dask.config.set({**tls, "distributed.comm.tls.client.cert": own}):
            outcome = run_there(store, rules, on=cluster.address)
    assert (outcome.tally.customers, outcome.resumed) == (60, 0)
    assert packed(store) == packed(place.here)


@pytest.mark.long
def test_workers_killed_at_random_moments_and_a_scheduler_that_ends(
    place: Place, rules: Ruleset
) -> None:
    chance = random.Random(23)  # noqa: S311 - moments that can be repeated
    for turn in range(5):
        store = shared(place, f"random{turn}")
        moments = {chance.randrange(6) for _ in range(3)}
        done = list[Tally]()

        def disturb(tally: Tally, done: list[Tally] = done, moments: set[int] = moments) -> None:
            if len(done) in moments:
                worker = chance.choice(place.cluster.workers)
                worker.kill()
                worker.begin()
            done.append(tally)

        run_there(store, rules, on=place.cluster.address, advance=disturb)
        assert len(done) == 6
        assert packed(store) == packed(place.here)


@pytest.mark.long
@pytest.mark.parametrize("is_back", [False, True], ids=["is gone", "comes back"])
def test_a_night_whose_scheduler_ends_goes_on_where_it_stopped(
    place: Place, rules: Ruleset, *, is_back: bool
) -> None:
    store = shared(place, f"scheduler{is_back}")
    done = list[Tally]()

    def end(tally: Tally) -> None:
        if not done:
            place.cluster.scheduler.kill()
            if is_back:
                place.cluster.scheduler.start()
        done.append(tally)

    with pytest.raises(UserError, match="parts of the run are missing") as raised:
        run_there(store, rules, on=place.cluster.address, advance=end)
    assert raised.value.code == "run.cluster"
    assert any("the scheduler ended or was restarted" in line for line in raised.value.details)
    if not is_back:
        place.cluster.scheduler.start()
    for worker in place.cluster.workers:  # which ended with their scheduler
        worker.kill()
        worker.begin()
    outcome = run_there(store, rules, on=place.cluster.address)
    assert outcome.resumed >= 1
    assert packed(store) == packed(place.here)
