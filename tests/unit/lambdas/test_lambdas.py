"""The functions' handlers: what they report to the queue, and what they tell of people."""

import datetime
import functools
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from local.servers import MissingError
from tests.building import ROOT
from tests.fleet import Context, MemoryLedger, MemoryQueue, People

from tuppence import logs
from tuppence.bootstrap.aws import (
    CustomerDependencies,
    DeadDependencies,
    InvokeDependencies,
    RuleDependencies,
    Settings,
    WatchDependencies,
)
from tuppence.errors import UserError
from tuppence.lambdas import customer, dead, invoke, rule, watch
from tuppence.usecases.fleet.given_up import DEAD_LETTER
from tuppence.usecases.fleet.messages import FleetItem, FleetRun, GivenUp, Page
from tuppence.usecases.fleet.progress import progress

NIGHT = FleetRun("night", "2026-06-30", "0123456789abcdef")
SETTINGS = Settings(tries=3)


def event(messages: Sequence[Page | FleetItem], received: int = 1) -> dict[str, Any]:
    """A batch of messages, as SQS gives them to a function."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": msgspec.json.encode(message).decode(),
                "attributes": {
                    "ApproximateReceiveCount": str(received),
                    "MessageGroupId": message.customers[0],
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:q.fifo",
                "awsRegion": "eu-west-1",
            }
            for number, message in enumerate(messages)
        ]
    }


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


class Engines(NamedTuple):
    """Implements the port Evaluations; some customers cannot be evaluated."""

    poison: Sequence[str]
    times: list[float]
    code: str = "engine.refused"
    tries: set[float] | None = None

    def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
        self.times.append(seconds)
        if self.tries is not None:
            self.tries.add(one_try)
        if item.customers[0] in self.poison:
            raise UserError(self.code, f"no answer about {item.customers[0]}")


Inject = Callable[..., MemoryLedger]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Inject:
    """Puts the fleet in memory where the functions look for AWS."""
    ledger = MemoryLedger()
    ledger.begin(NIGHT)

    def inject(module: Any, name: str, built: Callable[[MemoryLedger], Any]) -> MemoryLedger:
        monkeypatch.setattr(module, name, lambda: built(ledger))
        return ledger

    return inject


def items(*customers: str) -> list[FleetItem]:
    return [
        FleetItem("night", "2026-06-30", NIGHT.ruleset, 0, number, (customer,))
        for number, customer in enumerate(customers)
    ]


def invoke_deps(engines: Engines, queue: MemoryQueue) -> Any:
    key = functools.partial(logs.pseudonym, "key")
    return lambda book: InvokeDependencies(SETTINGS, engines, book, queue, key)  # type: ignore[arg-type]


def rule_deps(queue: MemoryQueue) -> Any:
    return lambda book: RuleDependencies(SETTINGS, list, book, queue)  # type: ignore[arg-type]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return the lines that the functions log."""
    stream = io.StringIO()
    for module in (customer, dead, invoke, rule, watch):
        monkeypatch.setattr(module.logger.registered_handler, "stream", stream)
    return stream


def lines(logged: io.StringIO, *keys: str) -> list[tuple[Any, ...]]:
    """Return some fields of each line."""
    decoded = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert all(line["time"] and line["level"] and line["request_id"] == "1" for line in decoded)
    return [tuple(line.get(key) for key in keys) for line in decoded]


@pytest.mark.parametrize("code", ["engine.unreachable", "engine.refused"])
def test_failed_items_of_a_batch_are_reported_and_the_others_are_done(
    parts: Inject, capsys: pytest.CaptureFixture[str], logged: io.StringIO, code: str
) -> None:
    engines, queue = Engines(("bad1", "bad2"), [], code), MemoryQueue()
    ledger = parts(invoke, "invoke_dependencies", invoke_deps(engines, queue))
    batch = items("good1", "bad1", "good2", "bad1", "bad2", "good3")
    answer = invoke.handler(event(batch), Context(9_000))
    assert failed(answer) == ["m1", "m3", "m4"], "the second of a group waits for the first"
    (page,) = ledger.read("night")[1]
    assert page.done == {0, 2, 5}
    assert not page.given_up
    assert queue.delays == {"r1": 2, "r3": 2, "r4": 2}
    assert lines(logged, "event", "run_id", "page", "item", "code") == [
        ("item done", "night", 0, 0, None),
        ("item failed", "night", 0, 1, code),
        ("item done", "night", 0, 2, None),
        ("item failed", "night", 0, 4, code),
        ("item done", "night", 0, 5, None),
    ]
    written = logged.getvalue() + capsys.readouterr().out  # the metrics
    assert not any(name in written for name in ("good", "bad"))


def test_engines_get_the_id_of_the_functions_request_with_page_and_item(parts: Inject) -> None:
    seen: list[str | None] = []

    class Asked(Engines):
        def evaluate_item(self, item: FleetItem, seconds: float, one_try: float) -> None:
            super().evaluate_item(item, seconds, one_try)
            seen.append(logs.request_id())

    deps = invoke_deps(Asked((), []), MemoryQueue())
    parts(invoke, "invoke_dependencies", deps)
    invoke.handler(event(items("a", "b")), Context(9_000))
    assert seen == [f"{Context.aws_request_id}.0.0", f"{Context.aws_request_id}.0.1"]


def test_refused_items_are_given_up_at_the_last_try_and_others_of_their_group_go_on(
    parts: Inject, logged: io.StringIO
) -> None:
    queue = MemoryQueue()
    ledger = parts(invoke, "invoke_dependencies", invoke_deps(Engines(("bad",), []), queue))
    batch = items("good1", "bad", "bad", "good2")
    assert failed(invoke.handler(event(batch, received=3), Context(9_000))) == []
    (page,) = ledger.read("night")[1]
    assert page.done == {0, 3}
    assert page.given_up == {n: GivenUp(batch[n], "no answer about bad") for n in (1, 2)}
    assert queue.delays == {}
    given_up = [line for line in lines(logged, "event", "item", "customers") if line[2]]
    assert given_up == [("item given up", n, [logs.pseudonym("key", "bad")]) for n in (1, 2)]
    assert '"bad"' not in logged.getvalue()


def test_dead_letters_are_entered_under_their_names(parts: Inject, logged: io.StringIO) -> None:
    ledger = parts(dead, "dead_dependencies", DeadDependencies)
    (item,) = items("a")
    page = Page("night", "2026-06-30", NIGHT.ruleset, 7, ("b", "c"), 1, 0)
    batch = event([item, page])
    batch["Records"].append({**batch["Records"][0], "messageId": "m9", "body": "{}"})
    assert failed(dead.handler(batch, Context(9_000))) == ["m9"], "it stays where it is seen"
    first, second = sorted(ledger.read("night")[1], key=lambda state: state.number)
    assert first.given_up == {0: GivenUp(item, DEAD_LETTER)}
    assert second.page == GivenUp(page, DEAD_LETTER)
    assert lines(logged, "event", "run_id", "page", "item") == [
        ("dead letter", "night", 0, 0),
        ("dead letter", "night", 7, None),
    ]


def test_the_watch_function_reports_a_late_night_and_has_its_listing_go_on(
    parts: Inject, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[dict[str, Any]] = []
    always = Settings(whole_by=datetime.time(0))
    arrived: list[datetime.datetime] = []

    def built(book: MemoryLedger) -> Any:
        return WatchDependencies(always, book, called.append, {}, lambda: arrived)  # type: ignore[arg-type]

    ledger = parts(watch, "watch_dependencies", built)
    assert watch.handler({}, Context(9_000))["late"]
    today = datetime.datetime.now(always.zone).date().isoformat()
    run = ledger.begin(FleetRun("today", today, NIGHT.ruleset))
    told = watch.handler({}, Context(9_000))
    assert (told["run_id"], told["late"], told["ended"]) == ("today", True, False)
    assert called == [{"as_of": today, "ruleset": NIGHT.ruleset, "run_id": "today"}]
    ledger.compare_and_set(run, msgspec.structs.replace(run, listed=True))
    assert watch.handler({}, Context(9_000))["late"] is False
    assert len(called) == 1, "it is listed"
    reasons = [line[1] for line in lines(logged, "event", "reason")]
    assert reasons[0].startswith("no run as of ")
    assert reasons[1:] == ["its customers are not all listed: 0 pages so far", None]
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["NightLate"] for line in written] == [[1.0], [1.0], [0.0]]


def test_the_watch_function_reports_how_long_files_wait(
    parts: Inject, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    arrived: list[datetime.datetime] = []

    def built(book: MemoryLedger) -> Any:
        return WatchDependencies(Settings(), book, print, {}, lambda: arrived)  # type: ignore[arg-type]

    parts(watch, "watch_dependencies", built)
    watch.handler({}, Context(9_000))
    arrived += [now, now - datetime.timedelta(hours=3), now - datetime.timedelta(hours=1)]
    watch.handler({}, Context(9_000))
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["FilesWaiting"] for line in written] == [[0.0], [3.0]]
    nothing, oldest = (line["FilesOldestSeconds"][0] for line in written)
    assert nothing == 0.0
    assert oldest >= 3 * 3_600
    assert len(lines(logged, "event")) == 2


def test_an_item_that_comes_again_gets_longer_tries(parts: Inject) -> None:
    tries: set[float] = set()
    engines = Engines((), [], tries=tries)
    parts(invoke, "invoke_dependencies", invoke_deps(engines, MemoryQueue()))
    for received in (1, 2, 4):
        invoke.handler(event(items("a"), received), Context(60_000))
    assert tries == {5.0, 10.0, 40.0}


def test_the_invoke_function_reserves_time_for_its_end(parts: Inject) -> None:
    engines = Engines((), [])
    parts(invoke, "invoke_dependencies", invoke_deps(engines, MemoryQueue()))
    left = Context(32_000, 32_000, 22_000, 22_000, 5_000, 5_000)
    invoke.handler(event(items("a", "b", "c")), left)
    assert engines.times == [10.0, 10.0, 3.0], "its share each, less two seconds for the end"


def test_pages_are_split_and_a_failed_page_is_received_again(
    parts: Inject, logged: io.StringIO
) -> None:
    queue = MemoryQueue(room=3)
    ledger = parts(rule, "rule_dependencies", rule_deps(queue))
    pages = [
        Page("night", "2026-06-30", NIGHT.ruleset, number, (f"a{number}", f"b{number}"), 1, 0)
        for number in range(2)
    ]
    assert failed(rule.handler(event(pages), Context(9_000))) == ["m1"]
    queue.room = 9
    assert failed(rule.handler(event(pages[1:], received=3), Context(9_000))) == []
    assert sum(page.items or 0 for page in ledger.read("night")[1]) == 4
    assert lines(logged, "event", "run_id", "page", "items") == [
        ("page split", "night", 0, 2),
        ("page failed", "night", 1, None),
        ("page split", "night", 1, 2),
    ]


def test_the_customer_function_calls_itself_again_when_time_runs_short(
    parts: Inject, logged: io.StringIO
) -> None:
    queue, called = MemoryQueue(), []
    people = People(f"C{n:05d}" for n in range(1_500))

    class Rulesets:
        published = NIGHT.ruleset

        def current(self) -> str:
            return self.published

    def built(book: MemoryLedger) -> Any:
        again: Any = lambda name, what: called.append((name, what))
        return CustomerDependencies(SETTINGS, Rulesets(), book, people, queue, again)  # type: ignore[arg-type]

    ledger = parts(customer, "customer_dependencies", built)
    scheduled = {"scheduled": "2026-06-30T00:00:00Z"}
    told = customer.handler(scheduled, Context(9_000, 100, 100))
    name = f"2026-06-30-{NIGHT.ruleset}"
    assert told == {"run_id": name, "pages": 10, "listed": False}
    assert called == [("f", {"as_of": "2026-06-30", "ruleset": NIGHT.ruleset, "run_id": name})]
    Rulesets.published = "fedcba9876543210"  # meanwhile; the run stays with its own
    again = customer.handler(called[0][1], Context(9_000))
    assert again == {"run_id": name, "pages": 15, "listed": True}
    assert progress(name, ledger).pages == 15
    assert lines(logged, "event", "run_id", "pages") == [
        ("listing continues", name, 10),
        ("listed", name, 15),
    ]


def test_the_functions_need_only_their_own_packages(tmp_path: object) -> None:
    """As they are put together for AWS, here for the Python that runs this."""
    uv = ROOT / ".tools/bin/uv"
    if not uv.exists():
        pytest.skip(str(MissingError("uv is not installed by make: make .tools/bin/uv")))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--target", str(tmp_path), "--no-deps"),
            *("--require-hashes", "--python-version", version, "--only-binary", ":all:"),
            *("-r", ROOT / "requirements/functions.txt"),
        ],
        check=True,
    )
    script = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'src')!r}, {str(tmp_path)!r}]\n"
        "from tuppence.lambdas import customer, rule, invoke, dead, watch\n"
        "from tuppence.adapters.relay import Relay\n"
        "from tuppence.adapters.engines import HttpEvaluations\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"numba", "polars", "numpy", "psycopg"} & set(done.stdout.split())
