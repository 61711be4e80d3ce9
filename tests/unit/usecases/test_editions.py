"""On AWS a publication that is late never replaces one of newer definitions."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from local.servers import AWS_REGION, PATIENCE
from tests.building import ROOT
from tests.fleet import Context

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.bootstrap.aws import RefreshDependencies
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.lambdas import refresh
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset
from tuppence.usecases.editions import NO_EDITION, Edition
from tuppence.usecases.serving.ruleset_cache import RulesetCache

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")
OLD, NEW = Edition(7, "2026-06-30"), Edition(9, "2026-06-30")


@pytest.fixture(scope="module")
def pair() -> tuple[Ruleset, Ruleset]:
    rules = read_rules(ROOT / "catalogue", Schema()).usable()[:2]
    return make_ruleset(rules), make_ruleset(rules[1:])


@pytest.fixture
def store(request: pytest.FixtureRequest, pair: tuple[Ruleset, Ruleset]) -> S3Rulesets:
    request.getfixturevalue("aws")
    s3, bucket = client("s3"), f"editions-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    made = S3Rulesets(s3, bucket, "rulesets/")
    for ruleset in pair:
        made.put(ruleset)
    return made


class Running:
    """An engine: it prepares and serves what it is told, or what is current."""

    address = "http://engine"

    def __init__(self, store: S3Rulesets) -> None:
        self._store = store
        self.served: str | None = None
        self.before_serving: Callable[[], None] = lambda: None

    def serving(self) -> str | None:
        return self.served

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        if serve:
            self.before_serving()
            self.served = digest or self._store.current()
            return self.served
        return digest

    def close(self) -> None:
        """Nothing is open."""


Refresh = Callable[..., dict[str, Any]]


@pytest.fixture
def engine(store: S3Rulesets) -> Running:
    return Running(store)


@pytest.fixture
def told(store: S3Rulesets, engine: Running, monkeypatch: pytest.MonkeyPatch) -> Refresh:
    """The refresh function, called with an event."""
    deps = RefreshDependencies(store, lambda: [engine])  # type: ignore[list-item]
    monkeypatch.setattr(refresh, "refresh_dependencies", lambda: deps)

    def call(**event: Any) -> dict[str, Any]:
        sent = msgspec.json.decode(msgspec.json.encode(event))
        answer: dict[str, Any] = refresh.handler(sent, Context(9_000))
        return answer

    return call


@pytest.mark.parametrize("late", [False, True])
def test_the_newer_edition_is_served_whichever_refresh_comes_first(
    pair: tuple[Ruleset, Ruleset], told: Refresh, engine: Running, store: S3Rulesets, late: bool
) -> None:
    old, new = (ruleset.digest for ruleset in pair)
    events = [{"ruleset": old, "edition": OLD}, {"ruleset": new, "edition": NEW}]
    for event in reversed(events) if late else events:
        answer = told(**event)
    assert answer == {"ruleset": new, "engines": ["http://engine"]}
    assert store.published() == (new, NEW)
    assert engine.served == new


def test_an_older_refresh_that_ends_last_leaves_engines_with_the_newer_edition(
    pair: tuple[Ruleset, Ruleset], told: Refresh, engine: Running, store: S3Rulesets
) -> None:
    old, new = (ruleset.digest for ruleset in pair)

    def newer_comes() -> None:
        engine.before_serving = lambda: None
        told(ruleset=new, edition=NEW)

    engine.before_serving = newer_comes
    assert told(ruleset=old, edition=OLD)["ruleset"] == new
    assert (store.current(), engine.served) == (new, new)


def test_a_roll_back_holds_against_what_came_before_it_and_not_against_what_comes_after(
    pair: tuple[Ruleset, Ruleset], told: Refresh, engine: Running, store: S3Rulesets
) -> None:
    old, new = (ruleset.digest for ruleset in pair)
    told(ruleset=old, edition=OLD)
    told(ruleset=new, edition=NEW)
    told(ruleset=old)
    assert store.published() == (old, NEW)
    told(ruleset=new, edition=NEW)  # AWS calls the function once more
    assert engine.served == store.current() == old
    told()
    assert engine.served == store.current() == old
    told(ruleset=new, edition=Edition(9, "2026-07-01"))
    assert engine.served == store.current() == new


def test_what_was_published_before_there_were_editions_is_replaced(
    pair: tuple[Ruleset, Ruleset], told: Refresh, store: S3Rulesets
) -> None:
    with pytest.raises(UserError, match="no ruleset has been published yet"):
        told()
    old, new = (ruleset.digest for ruleset in pair)
    store._client.put_object(Bucket=store._bucket, Key="rulesets/current", Body=f"{old}\n")
    assert store.published() == (old, NO_EDITION)
    told(ruleset=new)
    assert store.published() == (new, NO_EDITION)
    told(ruleset=old, edition=OLD)
    assert store.published() == (old, OLD)


def test_one_of_many_editions_at_once_is_current_in_the_end(
    pair: tuple[Ruleset, Ruleset], store: S3Rulesets
) -> None:
    old, new = (ruleset.digest for ruleset in pair)
    editions = [Edition(number, "2026-06-30") for number in range(1, 17)]

    def publish(edition: Edition) -> None:
        store.publishing(edition).publish(new if edition == editions[-1] else old)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, [editions[-1], *editions[:-1]]))
    assert store.published() == (new, editions[-1])


@pytest.mark.parametrize("content", [b"", b"../../etc/passwd\n", b"0123456789abcdef\nmany\n"])
def test_a_damaged_current_is_named(store: S3Rulesets, content: bytes) -> None:
    store._client.put_object(Bucket=store._bucket, Key="rulesets/current", Body=content)
    with pytest.raises(UserError, match=r"rulesets/current: damaged") as raised:
        store.current()
    assert raised.value.code == "ruleset.corrupt"


def test_an_engine_that_is_told_twice_serves_what_is_current_in_the_end(
    pair: tuple[Ruleset, Ruleset], tmp_path: Path
) -> None:
    """The first request has read what is current, and goes on after the second one has come."""
    has_read, may_go_on = threading.Event(), threading.Event()

    class Slow(RulesetDirectory):
        def current(self) -> str | None:
            found = super().current()
            if not has_read.is_set():
                has_read.set()
                may_go_on.wait(PATIENCE)
            return found

    old, new = (ruleset.digest for ruleset in pair)
    rulesets = Slow(tmp_path)
    for ruleset in pair:
        rulesets.put(ruleset)
    cache = RulesetCache(rulesets, Schema)
    rulesets.publish(old)
    first = threading.Thread(target=lambda: cache.refresh(None, serve=True))
    first.start()
    has_read.wait(PATIENCE)
    rulesets.publish(new)
    second = threading.Thread(target=lambda: cache.refresh(None, serve=True))
    second.start()
    second.join(0.5)  # without the lock it would end here, and the first one last
    may_go_on.set()
    first.join()
    second.join()
    assert cache.served == new
