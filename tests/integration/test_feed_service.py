"""The feed as a process: killed at any moment, after a night, and as its document says."""

import contextlib
import functools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from local.servers import PATIENCE, Server, free_port
from tests.building import copy_rules
from tests.commands import command
from tests.documents import MODES, check_operations
from tests.feed_process import TUPPENCE, batch, crash, feed_process
from tests.feeds import KEYS, desk
from tests.serving import served

from tuppence.adapters.embedded.feed_file import FeedRecords
from tuppence.bootstrap.database import fact_database
from tuppence.errors import RETRYABLE
from tuppence.services.feed.tokens import customer_token

RULES: Final = ("eating_out_up", "subscriptions_total", "week_in_review", "overdrawn")
PERSON: Final = "C0000002"
MOMENTS: Final = tuple(random.Random(20).choices(range(1, 12), k=3))  # noqa: S311 - for a test
"""After how many more answers each crash comes."""


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


class Devices:
    """Devices of one person that send events, each batch twice, while things fail.

    Args:
        client: Opens a client of the service.
        feed: The feed that they show.

    Attributes:
        sent: Each batch that was sent at least once.
        acknowledged: Identifiers of the events that the service has acknowledged.
        problems: Answers that are wrong.
    """

    def __init__(self, client: Callable[[], httpx2.Client], feed: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.acknowledged = set[str]()
        self.problems: list[str] = []
        self._client = client
        self._feed = feed
        self._drawn = 0
        self._lock = threading.Lock()
        self._up, self._over = threading.Event(), threading.Event()
        self._answered = threading.Semaphore(0)

    def send_during(self, crashes: Sequence[Callable[[], object]], answers: Sequence[int]) -> None:
        """Send batches; each crash happens after some more answers, in the midst of requests."""
        threads = [threading.Thread(target=self._send) for _ in range(4)]
        self._up.set()
        for thread in threads:
            thread.start()
        try:
            for crash, count in zip(crashes, answers, strict=True):
                for _ in range(count):
                    assert self._answered.acquire(timeout=PATIENCE), self.problems
                self._up.clear()  # what is under way goes on
                crash()
                self._up.set()
        finally:
            self._over.set()
            self._up.set()
            for thread in threads:
                thread.join()

    def send_again(self) -> tuple[int, int]:
        """Send every batch once more; return how many events are recorded, and repeated."""
        recorded = repeated = 0
        with self._client() as sending:
            for body in self.sent:
                answer = sending.post("/v1/feed/events", json=body)
                while answer.status_code in RETRYABLE:  # it finds connections that have broken
                    answer = sending.post("/v1/feed/events", json=body)
                done = answer.json()
                assert done["refused"] == []
                recorded, repeated = recorded + done["recorded"], repeated + done["repeated"]
        return recorded, repeated

    def _next(self) -> dict[str, Any]:
        """Return a batch, which is drawn by two threads, one after another."""
        with self._lock:
            if self._drawn % 2 == 0:
                self.sent.append(batch(self._feed))
            self._drawn += 1
            return self.sent[-1]

    def _send(self) -> None:
        with self._client() as sending:
            while self._up.wait(PATIENCE) and not self._over.is_set():
                body = self._next()
                with contextlib.suppress(httpx2.TransportError):
                    self._note(body, sending.post("/v1/feed/events", json=body))

    def _note(self, body: dict[str, Any], answer: httpx2.Response) -> None:
        if answer.status_code in RETRYABLE:  # the store is away
            return
        done = answer.json()
        with self._lock:
            if answer.status_code != 200 or done["recorded"] + done["repeated"] != 5:
                self.problems.append(answer.text)
            self.acknowledged.update(one["id"] for one in body["events"])
        self._answered.release()


def check(devices: Devices, kept: Callable[[], list[dict[str, Any]]]) -> None:
    """Check that what was acknowledged is kept, and that nothing is there twice."""
    assert devices.problems == []
    before = {row["id"] for row in kept()}
    assert devices.acknowledged <= before, "what was acknowledged is there"
    recorded, repeated = devices.send_again()
    assert repeated == len(before)
    rows = kept()
    assert len(rows) == len({row["id"] for row in rows}) == recorded + repeated
    assert len(rows) == 5 * len(devices.sent)


def test_a_killed_service_has_kept_what_it_has_acknowledged_and_counts_nothing_twice(
    service: Server, store: Path, client: Callable[[], httpx2.Client]
) -> None:
    with client() as asking:
        devices = Devices(client, asking.get("/v1/feed").json())
    devices.send_during([functools.partial(crash, service)] * 3, MOMENTS)
    check(devices, lambda: FeedRecords(store).export(PERSON)["events"])


def test_neither_the_service_nor_the_database_loses_or_doubles_an_event_when_it_is_killed(
    killable: tuple[Server, str], tmp_path: Path
) -> None:
    """The service, the database and then both are killed while devices send each batch twice."""
    postgres, url = killable
    service = feed_process(url, tmp_path, "ann")
    keys, port = tmp_path / "feed.keys", service.port
    token = command("serve", "customer-token", "ann", "--keys", keys, "--minutes", 60).strip()
    headers = {"Authorization": f"Bearer {token}"}

    def client() -> httpx2.Client:
        address = f"http://127.0.0.1:{port}"
        return httpx2.Client(base_url=address, headers=headers, timeout=PATIENCE)

    def kept() -> list[dict[str, Any]]:
        with fact_database(url) as facts:
            found: list[dict[str, Any]] = facts.feed_of("ann")["events"]
            return found

    service.start()
    try:
        with client() as asking:
            devices = Devices(client, asking.get("/v1/feed").json())
        crashes = [(service,), (postgres,), (service, postgres)]
        devices.send_during([functools.partial(crash, *one) for one in crashes], MOMENTS)
        check(devices, kept)
    finally:
        service.stop()


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
@pytest.mark.parametrize("mode", MODES)
def test_the_feed_does_what_its_document_says(tmp_path: Path, mode: str) -> None:
    """Sends valid and invalid requests made from the document; answers must have its shapes."""
    with desk(tmp_path) as running, served(running.app) as port:
        token = customer_token(KEYS, "ann", running.clock.now, 900)

        def headers_of(path: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {'secret' if 'withdrawals' in path else token}"}

        # A document cannot say which items and receipts there are, nor which locales.
        check_operations(f"http://127.0.0.1:{port}", mode, 11, headers_of)
