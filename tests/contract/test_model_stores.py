"""Contract of ModelStore, checked for every implementation."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from local.servers import AWS_REGION

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.models import SERVED, S3Models
from tuppence.adapters.embedded.model_directory import ModelDirectory
from tuppence.errors import UserError
from tuppence.relevance.scorecard import PRIOR
from tuppence.usecases.learn_order import ModelStore
from tuppence.usecases.order_feed import Model

OTHER = msgspec.structs.replace(PRIOR, base=-1)


class Kept(NamedTuple):
    """A store of models, and how to reach it otherwise.

    Attributes:
        models: The store.
        open: Opens the same store as another process would.
        damage: Puts other bytes in place of a model's.
        wait: Lets the time pass in which a service does not ask again.
        versions: Returns the names of all versions of all objects that are left.
    """

    models: ModelStore
    open: Callable[[], ModelStore]
    damage: Callable[[str], None]
    wait: Callable[[], None]
    versions: Callable[[], list[str]]


def write(path: Path) -> None:
    path.write_bytes(b"{}")


@pytest.fixture(params=["directory", "s3"])
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Kept:
    if request.param == "directory":
        return Kept(
            ModelDirectory(tmp_path),
            lambda: ModelDirectory(tmp_path),
            lambda digest: write(tmp_path / f"{digest}.json"),
            lambda: None,
            lambda: [path.name for path in tmp_path.iterdir()],
        )
    request.getfixturevalue("aws")
    s3, bucket, now = client("s3"), f"models-{uuid.uuid4().hex}", [0.0]
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="rulesets/current", Body=b"")

    def open_models() -> ModelStore:
        return S3Models(s3, bucket, "models/", lambda: now[0])

    def damage(digest: str) -> None:
        s3.put_object(Bucket=bucket, Key=f"models/{digest}.json", Body=b"{}")

    def wait() -> None:
        now[0] += SERVED

    def versions() -> list[str]:
        found = s3.list_object_versions(Bucket=bucket, Prefix="models/")
        return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, ())]

    return Kept(open_models(), open_models, damage, wait, versions)


def test_models_are_published_and_rolled_back(kept: Kept) -> None:
    models = kept.models
    assert models.published() is None
    for one in (PRIOR, OTHER):
        models.put(one)
        models.put(one)
        models.publish(one.digest)
        assert models.published() == Model(one.digest, one)
    models.publish(PRIOR.digest)
    assert models.published() == Model(PRIOR.digest, PRIOR)
    models.withdraw()
    assert models.published() is None
    assert list(models.digests()) == sorted([PRIOR.digest, OTHER.digest])


def test_unknown_and_damaged_models_are_not_published(kept: Kept) -> None:
    kept.models.put(OTHER)
    for digest in ("0" * 16, "../../../etc/passwd", ""):
        with pytest.raises(UserError) as caught:
            kept.models.publish(digest)
        assert caught.value.code == "model.unknown"
    kept.damage(OTHER.digest)
    with pytest.raises(UserError) as caught:
        kept.models.publish(OTHER.digest)
    assert caught.value.code == "model.corrupt"


def test_other_processes_follow(kept: Kept) -> None:
    other = kept.open()
    assert other.published() is None
    kept.models.put(PRIOR)
    kept.models.publish(PRIOR.digest)
    kept.wait()
    assert other.published() == Model(PRIOR.digest, PRIOR)
    kept.models.destroy()
    kept.wait()
    assert other.published() is None


def test_destroyed_models_are_gone_with_all_versions(kept: Kept) -> None:
    for one in (PRIOR, OTHER):
        kept.models.put(one)
        kept.models.publish(one.digest)
    assert kept.models.destroy() == 2
    assert (list(kept.models.digests()), kept.models.published()) == ([], None)
    assert kept.versions() == []
    assert kept.models.destroy() == 0
