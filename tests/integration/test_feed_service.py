"""The feed as a process: killed at any moment, after a night, and as its document says."""

import contextlib
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import schemathesis
from hypothesis import given
from local.servers import PATIENCE, Server, free_port
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.building import copy_rules
from tests.commands import command
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


def client(server: Server, store: Path) -> httpx2.Client:
    keys = store.parent / "feed.keys"
    token = command("serve", "customer-token", PERSON, "--keys", keys).strip()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=PATIENCE
    )


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
    service: Server, store: Path
) -> None:
    """Batches are sent by three threads; the service is killed and started again between them."""
    acknowledged, sent = set[str](), dict[str, dict[str, Any]]()
    with client(service, store) as asking:
        feed = asking.get("/v1/feed").json()
    lock, stop = threading.Lock(), threading.Event()
    counts = [threading.Semaphore(0)]

    def send() -> None:
        with client(service, store) as sending:
            while not stop.is_set():
                names = [uuid.uuid4().hex for _ in range(5)]
                body = events(feed, names)
                with lock:
                    sent[names[0]] = body
                with contextlib.suppress(httpx2.HTTPError):
                    answer = sending.post("/v1/feed/events", json=body)
                    if answer.status_code == 200:
                        assert answer.json()["recorded"] == 5
                        with lock:
                            acknowledged.update(names)
                        counts[0].release()

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        for _ in range(5):
            assert counts[0].acquire(timeout=PATIENCE)
        service.kill()
        service.start()
    stop.set()
    for thread in threads:
        thread.join()
    kept = {row["id"] for row in FeedRecords(store).export(PERSON)["events"]}
    assert acknowledged <= kept, "what was acknowledged is there"
    with client(service, store) as again:
        recorded = repeated = 0
        for body in sent.values():
            done = again.post("/v1/feed/events", json=body).json()
            assert done["refused"] == []
            recorded, repeated = recorded + done["recorded"], repeated + done["repeated"]
    assert repeated == len(kept)
    rows = FeedRecords(store).export(PERSON)["events"]
    assert len(rows) == len({row["id"] for row in rows}) == recorded + repeated == 5 * len(sent)


def test_a_night_and_a_withdrawal_of_consent_are_seen_at_once(service: Server, store: Path) -> None:
    with client(service, store) as asking:
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
        url = f"http://127.0.0.1:{port}/openapi.json"
        document = schemathesis.openapi.from_url(url)
        found = list(document.get_all_operations())
        operations = [one.ok() for one in found if isinstance(one, Ok)]
        assert len(operations) == len(found) == 11
        for operation in operations:
            if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
                continue  # nothing in it can be wrong
            token = customer_token(KEYS, "ann", running.clock.now, 900)
            operator = "withdrawals" in operation.path
            headers = {"Authorization": f"Bearer {'secret' if operator else token}"}

            @examples(8, 200, derandomize=True, database=None)
            @given(case=operation.as_strategy(generation_mode=mode))
            def conforms(case: Any, headers: dict[str, str] = headers) -> None:
                # A document cannot say which items and receipts there are, nor which locales.
                excluded = [positive_data_acceptance]
                case.call_and_validate(headers=headers, excluded_checks=excluded, timeout=PATIENCE)

            conforms()
