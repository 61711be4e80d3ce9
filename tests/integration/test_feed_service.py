"""The feed as a process: killed at any moment, after a night, and as its document says."""

import contextlib
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from hypothesis import given
from local.servers import PATIENCE, Server, free_port
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.building import copy_rules
from tests.commands import command
from tests.documents import operations
from tests.examples import examples
from tests.feeds import KEYS, desk
from tests.serving import served

from tuppence.adapters.embedded.feed_file import FeedRecords
from tuppence.services.feed.tokens import customer_token

RULES: Final = ("eating_out_up", "subscriptions_total", "week_in_review", "overdrawn")
PERSON: Final = "C0000002"
TUPPENCE: Final = (sys.executable, "-m", "tuppence")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    rules = copy_rules(folder / "rules", *RULES)
    command("synth", "--store", folder / "store", "--customers", 8, "--seed", 1)
    command("run", "--store", folder / "store", "--rules", rules, "--as-of", "2026-06-30")
    command("serve", "key", "first", "--keys", folder / "feed.keys")
    return folder / "store"


@pytest.fixture
def service(store: Path, tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    parts = ("--store", store, "--keys", store.parent / "feed.keys", "--port", port)
    server = Server([*TUPPENCE, "serve", "feed", *map(str, parts)], port, tmp_path / "log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(service: Server, store: Path) -> Callable[[], httpx2.Client]:
    """Return a function that opens a client with a token of a customer."""
    keys = store.parent / "feed.keys"
    token = command("serve", "customer-token", PERSON, "--keys", keys, "--minutes", 60).strip()
    headers = {"Authorization": f"Bearer {token}"}
    address = f"http://127.0.0.1:{service.port}"
    return lambda: httpx2.Client(base_url=address, headers=headers, timeout=PATIENCE)


def events(feed: dict[str, Any], names: list[str]) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    item, view = feed["items"][0]["id"], feed["view"]["id"]
    return {
        "events": [
            {"id": name, "kind": "seen", "item": item, "view": view, "at": now} for name in names
        ],
        "receipts": [feed["view"]["receipt"]],
    }


def test_a_killed_service_has_kept_what_it_has_acknowledged_and_counts_nothing_twice(
    service: Server, store: Path, client: Callable[[], httpx2.Client]
) -> None:
    """Batches are sent by three threads; the service is killed and started again between them."""
    acknowledged, sent = set[str](), dict[str, dict[str, Any]]()
    with client() as asking:
        feed = asking.get("/v1/feed").json()
    lock, stop, up = threading.Lock(), threading.Event(), threading.Event()
    enough = threading.Semaphore(0)
    up.set()

    def send() -> None:
        with client() as sending:
            while up.wait(PATIENCE) and not stop.is_set():
                names = [uuid.uuid4().hex for _ in range(5)]
                body = events(feed, names)
                with lock:
                    sent[names[0]] = body
                with contextlib.suppress(httpx2.TransportError):
                    answer = sending.post("/v1/feed/events", json=body)
                    assert answer.json()["recorded"] == 5
                    with lock:
                        acknowledged.update(names)
                    enough.release()

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        for _ in range(5):
            assert enough.acquire(timeout=PATIENCE)
        up.clear()
        service.kill()
        service.start()
        up.set()
    stop.set()
    for thread in threads:
        thread.join()
    kept = {row["id"] for row in FeedRecords(store).export(PERSON)["events"]}
    assert acknowledged <= kept, "what was acknowledged is there"
    with client() as again:
        recorded = repeated = 0
        for body in sent.values():
            done = again.post("/v1/feed/events", json=body).json()
            assert done["refused"] == []
            recorded, repeated = recorded + done["recorded"], repeated + done["repeated"]
    assert repeated == len(kept)
    rows = FeedRecords(store).export(PERSON)["events"]
    assert len(rows) == len({row["id"] for row in rows}) == recorded + repeated == 5 * len(sent)


@pytest.mark.parametrize(
    "places",
    [
        (),
        ("--store", "s", "--results", "r"),
        ("--store", "s", "--rulesets", "r"),
        ("--store", "s", "--database", "d", "--results", "r", "--rulesets", "r"),
        ("--database", "d", "--results", "r"),
        ("--results", "r", "--rulesets", "r"),
    ],
    ids=" ".join,
)
def test_feeds_are_those_of_a_store_or_of_the_services(places: tuple[str, ...]) -> None:
    said = command("serve", "feed", "--keys", "feed.keys", *places, status=1)
    assert "give --store alone, or --database with --results and --rulesets" in said


def test_a_night_and_a_withdrawal_of_consent_are_seen_at_once(
    store: Path, client: Callable[[], httpx2.Client]
) -> None:
    with client() as asking:
        before = asking.get("/v1/feed").json()
        assert before["as_of"] == "2026-06-30"
        assert before["items"]
        rules = store.parent / "rules"
        command("run", "--store", store, "--rules", rules, "--as-of", "2026-07-01")
        assert asking.get("/v1/feed").json()["as_of"] == "2026-07-01"
        item = asking.get("/v1/feed").json()["items"][0]["id"]
        why = asking.get(f"/v1/feed/items/{item}/explanation").json()
        assert why["outcome"] == "shown"
        assert why["result"]["clauses"]
        consents = ("--store", store, "--id", "one")
        command("consent", "grant", PERSON, "--until", "2030-01-01", *consents)
        command("consent", "withdraw", PERSON, *consents)
        after = asking.get("/v1/feed").json()
        assert (after["items"], "no consent" in after["frozen"]) == ([], True)


@pytest.mark.hypothesis
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_feed_does_what_its_document_says(tmp_path: Path, mode: GenerationMode) -> None:
    """Sends valid and invalid requests made from the document; answers must have its shapes."""
    with desk(tmp_path) as running, served(running.app) as port:
        token = customer_token(KEYS, "ann", running.clock.now, 900)
        for operation in operations(f"http://127.0.0.1:{port}", mode, 11):

            @examples(8, 200, derandomize=True, database=None)
            @given(case=operation.as_strategy(generation_mode=mode))
            def conforms(case: Any) -> None:
                # A document cannot say which items and receipts there are, nor which locales.
                operator = "withdrawals" in case.path
                headers = {"Authorization": f"Bearer {'secret' if operator else token}"}
                excluded = [positive_data_acceptance]
                case.call_and_validate(headers=headers, excluded_checks=excluded, timeout=PATIENCE)

            conforms()
