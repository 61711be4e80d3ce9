"""Contract of FactSource and RulesetStore, checked for every implementation."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from local.servers import AWS_REGION
from tests.building import bank, day, some_rules

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.objects.address_place import AddressPlace
from tuppence.adapters.objects.objects import Objects
from tuppence.errors import UserError
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.facts.source import FactSource
from tuppence.rules.ruleset import Ruleset, RulesetStore, make_ruleset

Filled = Callable[[list[Rows]], FactSource]


@pytest.fixture(params=["embedded", "address"])
def filled(tmp_path: Path, request: pytest.FixtureRequest) -> Filled:
    """Return a function that makes a source with given rows."""
    at_address = AddressPlace(Objects(f"file://{tmp_path}/store"))
    place = tmp_path / "store" if request.param == "embedded" else at_address

    def make(parts: list[Rows]) -> FactSource:
        store = FactStore.create(place, Schema())
        for rows in parts:
            store.append(rows, partition_size=2)
        return FactStore(place)

    return make


def customers(count: int) -> list[Rows]:
    rows = [{"booking date": day("2026-06-01"), "amount": -100, "category": "food"}]
    return [bank(rows, f"c{n}") for n in range(count)]


def test_partitions_hold_every_customer_once(filled: Filled) -> None:
    source = filled(customers(5))
    read = {name: source.read(name) for name, _ in source.partitions()}
    assert {name: len(batch) for name, batch in read.items()} == dict(source.partitions())
    found = [customer for batch in read.values() for customer in batch.customer_ids]
    assert sorted(found) == ["c0", "c1", "c2", "c3", "c4"]


def test_a_source_returns_one_customer_with_all_facts(filled: Filled) -> None:
    source = filled(customers(3))
    batch = source.find("c2")
    assert batch.customer_ids == ("c2",)
    assert batch.transactions.columns["amount"].values.tolist() == [-100]
    with pytest.raises(UserError, match="there is no customer nobody"):
        source.find("nobody")


def test_an_empty_source_has_no_partitions(filled: Filled) -> None:
    source = filled([])
    assert list(source.partitions()) == []
    assert source.schema == Schema()


@pytest.fixture(params=["directory", "s3"])
def rulesets(tmp_path: Path, request: pytest.FixtureRequest) -> RulesetStore:
    if request.param == "directory":
        return RulesetDirectory(tmp_path / "rulesets")
    request.getfixturevalue("aws")
    s3 = client("s3")
    bucket = f"rulesets-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    return S3Rulesets(s3, bucket, "rulesets/")


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return some_rules("bank_fees", "cash_share")


def test_rulesets_are_kept_by_their_digest(rulesets: RulesetStore, ruleset: Ruleset) -> None:
    assert list(rulesets.digests()) == []
    rulesets.put(ruleset)
    rulesets.put(ruleset)
    assert list(rulesets.digests()) == [ruleset.digest]
    assert rulesets.get(ruleset.digest) == ruleset.content


def test_one_ruleset_is_the_current_one(rulesets: RulesetStore, ruleset: Ruleset) -> None:
    assert rulesets.current() is None
    with pytest.raises(UserError, match="there is no ruleset"):
        rulesets.publish(ruleset.digest)
    rulesets.put(ruleset)
    assert rulesets.current() is None, "what is kept is not served yet"
    other = make_ruleset(ruleset.rules[1:])
    rulesets.put(other)
    for digest in (ruleset.digest, other.digest, ruleset.digest):
        rulesets.publish(digest)
        assert rulesets.current() == digest
    assert sorted(rulesets.digests()) == sorted([ruleset.digest, other.digest])


@pytest.mark.parametrize("digest", ["0" * 16, "../../../etc/passwd", ""])
def test_an_unknown_ruleset_is_named(rulesets: RulesetStore, digest: str) -> None:
    with pytest.raises(UserError, match="there is no ruleset"):
        rulesets.get(digest)


def test_a_damaged_ruleset_is_found(tmp_path: Path, ruleset: Ruleset) -> None:
    directory = RulesetDirectory(tmp_path / "rulesets")
    directory.put(ruleset)
    path = tmp_path / "rulesets" / f"{ruleset.digest}.json"
    path.write_bytes(ruleset.content.replace(b"cash", b"bash"))
    with pytest.raises(UserError, match="damaged"):
        directory.get(ruleset.digest)
