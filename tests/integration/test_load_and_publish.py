"""Loads and publications that are killed, that run in pairs, or that run beside an erasure."""

import http.server
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import typer
from local.servers import PATIENCE
from local.stack import TUPPENCE
from tests.building import ROOT, bank, day
from tests.conftest import Run
from tests.database import AGREED, put, three_customers
from tests.waiting import wait_until

from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.postgres import facts
from tuppence.adapters.postgres.connection import connect_columns
from tuppence.adapters.postgres.definitions import Definitions
from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.store import StoreFolder
from tuppence.cli.app import build
from tuppence.errors import UserError
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema
from tuppence.rules.definition import Definition
from tuppence.structured import read_yaml
from tuppence.usecases.copy_facts import load_changes

Ask = Callable[..., list[tuple[object, ...]]]
DAY: Final = "2026-06-30"
CONSENT: Final = ("--consent-from", "2026-01-01", "--consent-until", "2027-01-01")
COUNTS: Final = """
SELECT (SELECT count(*) FROM tuppence.customers), (SELECT count(*) FROM tuppence.accounts),
    (SELECT count(*) FROM tuppence.transactions), (SELECT count(*) FROM tuppence.consents),
    (SELECT count(*) FROM pg_constraint WHERE conrelid = 'tuppence.transactions'::regclass
        AND contype IN ('p', 'f'))
"""


def waiting_for_a_lock(rows_of: Ask) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return rows_of(query) != [(0,)]


# -- loads ----------------------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_load_that_ends_at_any_statement_leaves_nothing(
    database: str, rows_of: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 0

    def ending(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            if not left:
                raise KilledError
            left -= 1
            return real(*given, **named)

        return call

    for name in ("execute", "run", "_copy"):
        monkeypatch.setattr(facts, name, ending(getattr(facts, name)))
    statement = 0
    while True:
        left = statement
        try:
            put(database, *three_customers()[:1])
            break
        except KilledError:
            assert rows_of(COUNTS) == [(0, 0, 0, 0, 2)], statement
        statement += 1
    assert statement > 10
    assert rows_of(COUNTS) == [(1, 1, 3, 1, 2)]


def test_a_load_begins_again_where_its_store_was_changed_meanwhile(
    database: str, rows_of: Ask
) -> None:
    """The facts are read again in the same session, see `consistent`."""
    connection = connect_columns(database)

    def changed() -> Iterator[Rows]:
        yield from three_customers()[:1]
        raise UserError("store.changed", "the store was changed")

    with pytest.raises(UserError, match="the store was changed"):
        facts.load(connection, Schema(), changed(), AGREED)
    facts.load(connection, Schema(), iter(three_customers()), AGREED)
    connection.close()
    assert rows_of(COUNTS) == [(3, 3, 9, 3, 2)]


def test_concurrent_loads_wait_for_each_other(database: str, rows_of: Ask) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[Rows]:
        yield from three_customers()
        begun.set()
        assert go_on.wait(PATIENCE)

    def first() -> None:
        connection = connect_columns(database)
        facts.load(connection, Schema(), slowly(), AGREED)
        connection.close()

    newer = bank([{"booking date": day("2026-06-01"), "amount": -101}], "c1")
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        wait_until(lambda: one.done() or begun.is_set())
        two = pool.submit(put, database, newer)
        wait_until(lambda: two.done() or waiting_for_a_lock(rows_of))
        assert not two.done()
        go_on.set()
        one.result()
        two.result()
    assert rows_of(COUNTS) == [(3, 3, 9, 3, 2)]
    query = "SELECT amount FROM tuppence.transactions WHERE customer_id = 'c1' AND id = '0'"
    assert rows_of(query) == [(-101,)]


def test_a_load_that_waited_reads_its_store_afterwards(
    database: str, rows_of: Ask, tmp_path: Path
) -> None:
    """Otherwise it would bring back what the load before it has replaced."""
    store = StoreFolder(tmp_path / "store")
    row = {"booking date": day("2026-06-01"), "amount": -1}

    def fill(amount: int) -> None:
        with store.make(Schema(), "import", print) as kept:
            kept.append(bank([{**row, "id": "0", "amount": amount}], "ann"))

    def load() -> None:
        with fact_database(database) as into:
            load_changes(store, into, AGREED)

    fill(-1)
    with ThreadPoolExecutor(1) as pool:
        with fact_database(database) as other, other.turn():
            waits = pool.submit(load)
            wait_until(lambda: waits.done() or waiting_for_a_lock(rows_of))
            assert not waits.done()
            fill(-2)
        waits.result()
    assert rows_of("SELECT amount FROM tuppence.transactions") == [(-2,)]


def test_an_erasure_beside_a_load_waits_and_then_erases_all(database: str, rows_of: Ask) -> None:
    put(database, *three_customers())
    more = bank([{"booking date": day("2026-06-05"), "amount": -1}] * 5, "c1")
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[Rows]:
        yield more
        begun.set()
        assert go_on.wait(PATIENCE)

    def loading() -> None:
        connection = connect_columns(database)
        facts.load(connection, Schema(), slowly(), AGREED)
        connection.close()

    def erasing() -> None:
        connection = connect_columns(database)
        facts.erase(connection, "c1")
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(loading)
        wait_until(lambda: one.done() or begun.is_set())
        two = pool.submit(erasing)
        wait_until(lambda: two.done() or waiting_for_a_lock(rows_of))
        go_on.set()
        one.result()
        two.result()
    assert rows_of(COUNTS) == [(2, 2, 6, 2, 2)]


@pytest.mark.long
def test_loads_that_are_killed_leave_all_or_nothing(
    database: str, rows_of: Ask, tuppence: Run, tmp_path: Path
) -> None:
    tuppence("synth", "--store", "store", "--customers", 300, "--seed", 5)
    command = [*TUPPENCE, "load", "--store", str(tmp_path / "store"), "--to", database, *CONSENT]
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole, takes = rows_of(COUNTS), time.monotonic() - began
    nothing = [(0, 0, 0, 0, 2)]
    seen = {True: 0, False: 0}
    for _ in range(40):
        rows_of("TRUNCATE tuppence.customers CASCADE")
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.0) * takes)
        load.kill()
        load.wait()
        wait_until(
            lambda: (
                rows_of("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tuppence'")
                == [(0,)]
            )
        )
        found = rows_of(COUNTS)
        assert found in (nothing, whole)
        seen[found == whole] += 1
    rows_of("TRUNCATE tuppence.customers CASCADE")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert rows_of(COUNTS) == whole
    assert seen[False] > 5, seen


# -- publications ---------------------------------------------------------------------------------


class Engine:
    """A stand-in for a rules engine, which can hold a request back."""

    def __init__(self) -> None:
        self.serving: str | None = None
        self.current: Callable[[], str | None] = lambda: None
        self.held: Callable[[str], bool] = lambda _: False
        self.holding = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer("serving", {"serving": outer.serving})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                asked = json.loads(self.rfile.read(length))
                step = "serve" if asked["serve"] else "ready"
                if asked["serve"]:
                    outer.serving = asked["ruleset"] or outer.current()
                self._answer(step, {"serving": outer.serving, "ready": asked["ruleset"]})

            def _answer(self, step: str, body: object) -> None:
                if outer.held(step):
                    outer.holding.set()
                    outer.go_on.wait(PATIENCE)
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self) -> "Engine":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def hold(self, step: str) -> None:
        """Hold back the next answers to a step."""
        self.holding.clear()
        self.go_on.clear()
        self.held = lambda now: now == step

    def release(self) -> None:
        """Answer everything."""
        self.held = lambda _: False
        self.go_on.set()


class Desk:
    """Two people who change and approve the only rule, and a folder of rulesets."""

    def __init__(self, login: Callable[..., str], folder: Path, engine: Engine) -> None:
        self.author = Definitions(login("ann", "author"))
        self.reviewer = Definitions(login("bob", "reviewer"))
        self.rulesets = RulesetDirectory(folder)
        engine.current = self.rulesets.current
        token = folder.with_name("token")
        token.write_text("secret")
        self.arguments = [
            *("--database", login("pat", "publisher"), "--rulesets", str(folder)),
            *("--engines", engine.address, "--token", str(token), "--as-of", DAY),
        ]
        self._definition = read_yaml(ROOT / "catalogue/bank_fees.yaml", Definition).value

    def approve(self, title: str) -> None:
        """Change the rule and have it approved."""
        changed = msgspec.structs.replace(self._definition, title=title)
        self.author.draft([changed], "", "test")
        self.author.move(["bank_fees"], "in_review", "", "test")
        (one,) = self.reviewer.latest()
        self.reviewer.approve([one.reviewed], "", "test")

    def publish(self) -> None:
        """Publish in this process."""
        command = typer.main.get_command(build("rules"))
        command(["rules", "publish", *self.arguments], standalone_mode=False)

    def start(self) -> "subprocess.Popen[bytes]":
        """Publish in a process of its own."""
        command = [*TUPPENCE, "rules", "publish", *self.arguments]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def title(self, digest: str | None) -> str:
        """Return the title of the only rule of a ruleset."""
        content = json.loads(self.rulesets.get(digest or ""))
        return str(content["rules"][0]["title"])


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as found:
        yield found


@pytest.fixture
def desk(login: Callable[..., str], tmp_path: Path, engine: Engine) -> Desk:
    return Desk(login, tmp_path / "rulesets", engine)


def test_an_older_ruleset_never_replaces_a_newer_one(
    desk: Desk, engine: Engine, rows_of: Ask
) -> None:
    """A rule is approved and published while another publication holds what it has read."""
    desk.approve("older")
    engine.hold("ready")
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(desk.publish)
        wait_until(lambda: one.done() or engine.holding.is_set())
        desk.approve("newer")
        two = pool.submit(desk.publish)
        wait_until(lambda: two.done() or waiting_for_a_lock(rows_of))
        engine.release()
        one.result()
        two.result()
    assert desk.title(desk.rulesets.current()) == "newer"
    assert engine.serving == desk.rulesets.current()
    published = rows_of("SELECT ruleset FROM tuppence.publications ORDER BY number")
    assert [desk.title(str(ruleset)) for (ruleset,) in published] == ["older", "newer"]


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("serving", marks=pytest.mark.long),
        pytest.param("ready", marks=pytest.mark.long),
        "serve",
    ],
)
def test_a_publication_that_is_killed_leaves_one_ruleset_and_can_be_repeated(
    desk: Desk, engine: Engine, rows_of: Ask, step: str
) -> None:
    desk.approve("older")
    desk.publish()
    desk.approve("newer")
    engine.hold(step)
    publication = desk.start()
    wait_until(lambda: publication.poll() is not None or engine.holding.is_set())
    assert publication.poll() is None
    publication.kill()
    publication.wait()
    engine.release()
    switched = step == "serve"
    assert desk.title(desk.rulesets.current()) == ("newer" if switched else "older")
    recorded = rows_of("SELECT ruleset FROM tuppence.publications ORDER BY number")
    assert str(recorded[-1][0]) == desk.rulesets.current()
    assert len(recorded) == 1 + switched
    desk.publish()
    assert desk.title(desk.rulesets.current()) == "newer"
    assert engine.serving == desk.rulesets.current()


@pytest.mark.long
def test_publications_that_are_killed_at_random_in_pairs_end_with_the_newest(
    desk: Desk, engine: Engine, rows_of: Ask
) -> None:
    chance = random.Random(11)  # noqa: S311 - moments, not secrets
    desk.approve("title 0")
    began = time.monotonic()
    assert desk.start().wait() == 0
    takes = time.monotonic() - began
    for number in range(1, 21):
        desk.approve(f"title {number}")
        pair: Sequence[subprocess.Popen[bytes]] = [desk.start(), desk.start()]
        for one in chance.sample(pair, 2):
            time.sleep(chance.uniform(0.2, 0.8) * takes)
            one.send_signal(signal.SIGKILL)
        for one in pair:
            one.wait()
        current = desk.title(desk.rulesets.current())
        assert current in {f"title {n}" for n in range(number + 1)}
        recorded = {str(row[0]) for row in rows_of("SELECT ruleset FROM tuppence.publications")}
        assert desk.rulesets.current() in recorded
        if number % 5 == 0:
            desk.publish()
            assert desk.title(desk.rulesets.current()) == f"title {number}"
            assert engine.serving == desk.rulesets.current()


def test_only_a_publisher_may_publish(desk: Desk, login: Callable[..., str]) -> None:
    desk.approve("first")
    desk.arguments[1] = login("ann", "author")
    with pytest.raises(UserError, match="permission denied"):
        desk.publish()
    assert desk.rulesets.current() is None
