"""A folder of rule files in a bucket becomes a ruleset, and editions follow its versions."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from local.servers import AWS_REGION
from tests.building import copy_rules, day

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.definitions import S3Definitions
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.structured import MAX_BYTES
from tuppence.usecases.publish_rules import convert

pytestmark = pytest.mark.usefixtures("aws")
TODAY = Date(day("2026-06-30"))


class Bucket:
    """A bucket that keeps versions."""

    def __init__(self) -> None:
        self.client: Any = client("s3")
        self.name = f"rules-{uuid.uuid4().hex}"
        where = {"LocationConstraint": AWS_REGION}
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)
        versioned = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration=versioned)
        self.definitions = S3Definitions(self.client, self.name, Schema)

    def put(self, name: str, content: str | bytes) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.client.put_object(Bucket=self.name, Key=f"definitions/{name}", Body=body)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"definitions/{name}")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return two rule files of the catalogue."""
    folder = copy_rules(tmp_path / "rules", "bank_fees", "low_balance")
    return {path.name: path.read_text("utf-8") for path in folder.rglob("*.yaml")}


def test_a_folder_of_rule_files_is_published_and_each_change_is_a_newer_edition(
    files: dict[str, str],
) -> None:
    bucket = Bucket()
    for name, text in files.items():
        bucket.put(f"money/{name}", text)
    bucket.put("README.md", "no rule")
    rulesets = S3Rulesets(bucket.client, bucket.name, "rulesets/")
    first = convert(bucket.definitions, rulesets, TODAY)
    assert [one.rule.id for one in first.ruleset.rules] == ["bank_fees", "low_balance"]
    assert rulesets.get(first.ruleset.digest) == first.ruleset.content
    rulesets.publishing(first.edition).publish(first.ruleset.digest)
    bucket.remove("money/bank_fees.yaml")
    second = convert(bucket.definitions, rulesets, TODAY)
    assert [one.rule.id for one in second.ruleset.rules] == ["low_balance"]
    assert second.edition > first.edition
    rulesets.publishing(second.edition).publish(second.ruleset.digest)
    rulesets.publishing(first.edition).publish(first.ruleset.digest)
    assert rulesets.current() == second.ruleset.digest, "a late publication replaces no newer one"


def test_rules_outside_of_their_period_are_left_out(files: dict[str, str]) -> None:
    bucket = Bucket()
    bucket.put("a.yaml", files["bank_fees.yaml"] + "\nvalid_from: 2026-07-01\n")
    bucket.put("b.yaml", files["low_balance.yaml"] + "\nvalid_until: 2026-06-30\n")
    definitions, _ = bucket.definitions.in_force(TODAY)
    assert [one.id for one in definitions] == ["low_balance"]
    definitions, _ = bucket.definitions.in_force(Date(TODAY.day + 1))
    assert [one.id for one in definitions] == ["bank_fees"]


def test_every_wrong_file_is_named_and_nothing_is_published(files: dict[str, str]) -> None:
    bucket = Bucket()
    bucket.put("a.yaml", files["bank_fees.yaml"])
    bucket.put("b.yaml", files["bank_fees.yaml"])
    bucket.put("c.yaml", "id: [")
    bucket.put("d.yaml", b"\xff")
    bucket.put("e.yaml", "x" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match="4 files are wrong in s3://") as refused:
        bucket.definitions.in_force(TODAY)
    assert refused.value.code == "publish.refused"
    twice, shape, text, large = refused.value.details
    assert twice == "definitions/b.yaml: bank_fees is a rule of definitions/a.yaml, too"
    assert shape.startswith("definitions/c.yaml:1:")
    assert text == "definitions/d.yaml: not UTF-8 text, from byte 0 on"
    assert large == "definitions/e.yaml: larger than 1,000,000 bytes"


def test_an_empty_folder_publishes_nothing() -> None:
    bucket = Bucket()
    with pytest.raises(UserError, match="no approved definitions"):
        convert(bucket.definitions, S3Rulesets(bucket.client, bucket.name, "rulesets/"), TODAY)
