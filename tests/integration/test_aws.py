"""Runs the stacks on an emulator that checks every policy and allows only TLS, with failures."""

import contextlib
import datetime
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil
import psycopg
import pytest
from botocore.exceptions import ClientError
from local.aws import differences, fill, fire_schedule, publish, wait_for
from local.cloud import Cloud
from local.servers import MissingError, Server
from local.stack import TUPPENCE
from tests.addresses import share
from tests.building import bank, copy_rules
from tests.collector import Collector, collecting
from tests.commands import command
from tests.fleet import People
from tests.waiting import wait_until

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.executions import Execution
from tuppence.adapters.aws.fleet import Fleet
from tuppence.adapters.aws.functions import invoke_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.adapters.objects.objects import Objects
from tuppence.bootstrap.store import StoreFolder
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.errors import UserError
from tuppence.usecases.fleet.listing import list_customers, resolve_run
from tuppence.usecases.fleet.messages import CUSTOMERS_PER_PAGE, FleetRun, Page, Start
from tuppence.usecases.fleet.splitting import split_page

CUSTOMERS = 104
RULES = (
    *("bank_fees", "bill_missed", "card_utilisation", "cash_share", "groceries_up", "low_balance"),
    *("month_in_review", "pay_arrived", "spending_abroad", "subscriptions_total", "welcome"),
)
"""Rules of the nights; test_platform sends the whole catalogue through the services."""
POISON = "x" * 201
"""An identifier that the engines refuse."""


class Night(NamedTuple):
    """A cloud with a population and a published ruleset, and a nightly run of it in one process."""

    cloud: Cloud
    store: Path
    ruleset: str
    as_of: str
    run_id: str
    collector: Collector

    def start(self, run_id: str, **what: Any) -> Any:
        return Fleet("local").start(Start(as_of=self.as_of, run_id=run_id, **what))

    def is_right(self) -> bool:
        """Return whether the results equal those of a run in one process."""
        return differences(self.cloud, self.store) == (CUSTOMERS, 0)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, written: dict[str, Path]) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("aws")
    store, rules = folder / "store", copy_rules(folder / "rules", *RULES)
    try:
        with (
            collecting() as collector,
            Cloud(
                folder / "cloud",
                secure=True,
                further=collector.environment,
                templates=written["local"],
            ) as cloud,
        ):
            fill(cloud, store, CUSTOMERS, "2026-06-30", rules, command)
            as_of = time.strftime("%Y-%m-%d")
            ruleset = publish(cloud, as_of)
            fire_schedule()
            command("run", "--store", store, "--rules", rules, "--as-of", as_of)
            yield Night(cloud, store, ruleset, as_of, f"{as_of}-{ruleset}", collector)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def poisoned(night: Night) -> str:
    """Start a run of three customers, one of whom the engines refuse; return its identifier.

    It is listed here, as the function that lists customers refuses such a name.
    """
    named = Start(as_of=night.as_of, run_id="poisoned", customers=("C0000001", "C0000002"))
    now = datetime.datetime.now(datetime.UTC)
    run = msgspec.structs.replace(
        resolve_run(named, lambda: night.ruleset, now, 25, 0),
        chosen=("C0000001", "C0000002", POISON),  # in their order
    )
    ledger = DynamoLedger(client("dynamodb"), night.cloud.name("data", "Ledger"))
    queue = SqsQueue(client("sqs"), night.cloud.name("data", "CustomerQueue"))
    list_customers(ledger.begin(run), People(()), queue, ledger, lambda: True)
    return "poisoned"


def test_a_night_gives_what_one_process_gives(night: Night) -> None:
    found = wait_for(night.run_id)
    assert found.complete
    assert (found.items, found.done, found.pages) == (5, 5, 2), "25 customers in an item"
    assert night.is_right()
    printed = command("fleet", "status", night.run_id, "--env", "local")
    assert "complete" in printed
    assert not Fleet("local").progress("poisoned").complete


def test_one_trace_leads_from_a_page_to_the_database(night: Night) -> None:
    whole = [
        ("customer", "page"),
        ("rule", "split page"),
        ("invoke", "evaluate item"),
        ("invoke", "POST /v1/evaluations"),
        ("rules-engine", "POST /v1/evaluations"),
        ("rules-engine", "batch"),
        ("rules-engine", "POST /v1/facts"),
        ("sql-relay", "POST /v1/facts"),
        ("sql-relay", "facts"),
    ]
    seen = night.collector
    wait_until(lambda: whole in seen.lines("facts"), lambda: str(seen.lines("facts")))
    listing = [("customer", "customer"), ("customer", "GET /v1/customers")]
    wait_until(lambda: listing in seen.lines("GET /v1/customers"))
    assert not any(b"C000000" in body for body in seen.bodies), "no customer is named"


@pytest.mark.long
def test_a_night_by_parts_gives_what_one_process_gives(night: Night) -> None:
    """A Distributed Map has functions do the parts, in roles that may do no more than the run."""
    here, fleet = StoreFolder(night.store), Fleet("local")
    there = share(here, f"s3://{night.cloud.name('data', 'Partitions')}/store", 52)
    begun = Start(as_of=night.as_of, ruleset=night.ruleset)

    def run() -> Execution:
        execution = fleet.begin_night(begun)
        wait_until(lambda: fleet.night(execution).ended)
        return fleet.night(execution)

    found = run()
    assert found.problem == ""
    assert found.output is not None
    assert found.output["customers"] == CUSTOMERS
    with here.read_results() as kept:
        wanted = {row.customer_id: list(row.results) for row in kept.scan()}
    with there.read_results() as made:
        assert {row.customer_id: list(row.results) for row in made.scan()} == wanted
    assert night.is_right(), "what was new is in the table"
    assert run() == found, "nothing is left to do"
    there.facts().append(bank([{"booking date": 20_000, "amount": -1}], "new"), 52)
    objects = Objects(str(there))
    name = f"facts/{min(there.facts().segment_names())}"
    content, _ = objects.get(name)
    objects.put(name, bytes(len(content)))
    found = run()
    assert re.search("1 of 3 parts of the run are missing: p00000: .*damaged", found.problem)
    objects.put(name, content)
    found = run()
    assert found.output is not None
    assert found.output["customers"] == CUSTOMERS + 1, "only what was missing had to be done"


def test_roles_may_do_nothing_else(night: Night) -> None:
    """Forbidden actions fail, so the templates' policies allowed everything that the run did."""
    role = night.cloud.name("fleet", "InvokeRole")
    arn = f"arn:aws:iam::000000000000:role/{role}"
    given = client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
        patch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
        client("secretsmanager").get_secret_value(SecretId=night.cloud.name("data", "EnginesToken"))
        forbidden: list[Callable[[], Any]] = [
            lambda: client("dynamodb").scan(TableName=night.cloud.name("data", "Results")),
            lambda: client("s3").list_objects_v2(Bucket=night.cloud.name("data", "Rulesets")),
            lambda: client("secretsmanager").get_secret_value(
                SecretId=night.cloud.name("data", "RelayToken")
            ),
            lambda: client("sqs").send_message(
                QueueUrl=night.cloud.name("data", "InvokeQueue"), MessageBody="x"
            ),
        ]
        for attempt in forbidden:
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt()


def test_messages_that_come_again_change_nothing(night: Night) -> None:
    before = wait_for(night.run_id)
    names = [f"C{number:07d}" for number in range(CUSTOMERS)]
    parts = [names[n : n + CUSTOMERS_PER_PAGE] for n in range(0, CUSTOMERS, CUSTOMERS_PER_PAGE)]
    pages = [
        Page(night.run_id, night.as_of, night.ruleset, number, tuple(part), 25, 0)
        for number, part in enumerate(parts)
    ]
    SqsQueue(client("sqs"), night.cloud.name("data", "CustomerQueue")).send([*reversed(pages)] * 2)
    until_taken(night)
    assert wait_for(night.run_id) == before
    assert night.is_right()


def count(night: Night, queue: str, *which: str, stack: str = "data") -> int:
    """Return the number of messages in a queue: waiting or being processed, or in other states."""
    names = [f"ApproximateNumberOfMessages{state}" for state in which or ("", "NotVisible")]
    found = client("sqs").get_queue_attributes(
        QueueUrl=night.cloud.name(stack, queue), AttributeNames=names
    )
    return sum(int(found["Attributes"][name]) for name in names)


def wait_until_tried_again(run_id: str, times: int) -> None:
    """Wait until the function's log shows an item of a run that was received a number of times."""
    pattern = f'{{ $.run_id = "{run_id}" && $.receives >= {times} }}'
    logs = client("logs")
    group = "/aws/lambda/tuppence-local-invoke"
    wait_until(
        lambda: bool(logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"])
    )


def until_taken(night: Night) -> None:
    """Wait until every message of the queues is done; a page is done after its items are sent."""
    queues = ("CustomerQueue", "InvokeQueue")  # in this order
    wait_until(lambda: not any(count(night, queue) for queue in queues))


def test_an_engine_that_is_killed_loses_nothing(night: Night) -> None:
    victim = night.cloud.platform.engines[1]
    night.start("killed", prefix="C000001")
    victim.kill()
    try:
        assert wait_for("killed").complete
    finally:
        victim.start()
    assert night.is_right()


def test_a_relay_that_is_killed_is_waited_for(night: Night) -> None:
    """It is killed both while customers are listed and while they are evaluated."""
    relay = night.cloud.platform.relay
    relay.kill()
    with pytest.raises(UserError, match="the relay does not answer"):
        night.start("relay", prefix="C000002")
    relay.start()
    night.start("relay", prefix="C000002")
    relay.kill()
    wait_until_tried_again("relay", times=2)
    relay.start()
    assert wait_for("relay").complete
    assert night.is_right()


def test_engines_that_stand_still_give_nothing_up(night: Night) -> None:
    """Both stand still for longer than a try takes, and for more tries than a refused item gets."""
    engines = night.cloud.platform.engines
    night.start("still", customers=tuple(f"C{number:07d}" for number in range(5)))
    for engine in engines:
        engine.send_signal(signal.SIGSTOP)
    wait_until_tried_again(run_id="still", times=ENVIRONMENTS["local"].timing.tries)
    for engine in engines:
        engine.send_signal(signal.SIGCONT)
    found = wait_for("still")
    assert found.complete
    assert found.titles == ()
    assert night.is_right()


def begin(night: Night, run_id: str, per_item: int) -> FleetRun:
    """Begin a run of everybody in items of a size, and send its pages."""
    names = tuple(f"C{number:07d}" for number in range(CUSTOMERS))
    start = Start(as_of=night.as_of, run_id=run_id, customers=names)
    now = datetime.datetime.now(datetime.UTC)
    run = resolve_run(start, lambda: night.ruleset, now, per_item, 0)
    ledger = DynamoLedger(client("dynamodb"), night.cloud.name("data", "Ledger"))
    queue = SqsQueue(client("sqs"), night.cloud.name("data", "CustomerQueue"))
    return list_customers(ledger.begin(run), People(()), queue, ledger, lambda: True)


def assert_nothing_was_lost(night: Night, run_id: str, items: int) -> None:
    """Wait for a run; nothing may be given up, done twice or missing."""
    found = wait_for(run_id)
    assert found.titles == ()
    assert (found.complete, found.items, found.done) == (True, items, items)
    assert not count(night, "DeadPages") + count(night, "DeadItems")
    assert night.is_right()


@contextlib.contextmanager
def slowed(servers: Sequence[Server]) -> Iterator[None]:
    """Let servers run for a tenth of the time."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            for number, seconds in ((signal.SIGSTOP, 0.18), (signal.SIGCONT, 0.02)):
                for server in servers:
                    server.send_signal(number)
                over.wait(seconds)
        for server in servers:
            server.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.long
def test_engines_that_are_ten_times_as_slow_lose_nothing(night: Night) -> None:
    with slowed(night.cloud.platform.engines):
        begin(night, "slow", 4)
        assert_nothing_was_lost(night, "slow", CUSTOMERS // 4)


@pytest.mark.long
def test_a_relay_with_a_tenth_of_its_connections_loses_nothing(night: Night) -> None:
    relay = night.cloud.platform.relay
    relay.restart("--pool-size", "1")
    try:
        begin(night, "narrow", 4)
        assert_nothing_was_lost(night, "narrow", CUSTOMERS // 4)
    finally:
        relay.restart()


@pytest.mark.long
def test_functions_that_are_killed_at_random_lose_nothing(night: Night) -> None:
    """Their messages come again when the queue's visibility ends, which is shortened here."""
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    wait_for(night.run_id)
    with visible_after(night, "5"):
        begin(night, "victims", 4)
        for _ in range(6):
            done = Fleet("local").progress("victims").done
            wait_until(lambda done=done: moved(done))  # type: ignore[misc]
            if running := functions(night):
                chance.choice(running).kill()
        assert_nothing_was_lost(night, "victims", CUSTOMERS // 4)


def functions(night: Night) -> list[psutil.Process]:
    """Return the processes in which functions run."""
    found = []
    for process in night.cloud.emulator.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [process] if sys.executable in process.cmdline() else []
    return found


def moved(done: int) -> bool:
    """Return whether the run whose functions are killed is further than it was."""
    found = Fleet("local").progress("victims")
    return found.done > done or found.ended


@contextlib.contextmanager
def visible_after(night: Night, seconds: str) -> Iterator[None]:
    """Have messages that no function finished come again after some seconds, however often."""
    sqs = client("sqs")
    urls = [night.cloud.name("data", name) for name in ("CustomerQueue", "InvokeQueue")]
    names = ["VisibilityTimeout", "RedrivePolicy"]
    before = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in urls]
    for url, found in zip(urls, before, strict=True):
        policy = msgspec.json.decode(found["Attributes"]["RedrivePolicy"])
        often = msgspec.json.encode(policy | {"maxReceiveCount": 1_000}).decode()
        changed = {"VisibilityTimeout": seconds, "RedrivePolicy": often}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    try:
        yield
    finally:
        for url, found in zip(urls, before, strict=True):
            sqs.set_queue_attributes(QueueUrl=url, Attributes=found["Attributes"])


MAPPING = """
table: transactions
columns: {id: Id, booking date: Date, amount: Amount, text: Text, customer: Owner}
constants: {account: main, currency: GBP}
"""
FILES = 10


def task_of(night: Night, label: str) -> list[str]:
    """Return the command of a task's container."""
    name = night.cloud.name("take-in", f"{label}Task")
    task = client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
    (container,) = task["containerDefinitions"]
    return [str(part) for part in container["command"]]


def test_files_that_arrive_start_one_task_which_takes_them_in(
    night: Night, database: str, login: Callable[..., str], tmp_path: Path
) -> None:
    """The task runs here, by its command and with its role; its login may only load."""
    s3, inbox = client("s3"), night.cloud.name("data", "Inbox")

    def put(name: str, text: str) -> None:
        s3.put_object(Bucket=inbox, Key=f"inbox/{name}", Body=text.encode())

    put("bank/mapping.yaml", MAPPING)
    for number in range(1, FILES + 1):
        row = f"{number},2026-06-{number:02},-1.50,Bean Yard,ann"
        put(f"bank/{number}.csv", f"Id,Date,Amount,Text,Owner\n{row}\n")
    put("nobody/1.csv", "Id\n1\n")
    assert count(night, "Arrivals", "Delayed", stack="take-in") == 1, "one task for all of them"
    assert count(night, "Arrivals", stack="take-in") == 0, "which starts when all are there"
    watched = invoke_function("tuppence-local-watch", b"{}")
    assert watched["FilesWaiting"] == FILES + 1
    command_line = task_of(night, "TakeIn")
    where = command_line.index("--store") + 1
    command_line[where] = str(tmp_path / "store")
    command_line[command_line.index("--to") + 1] = login("loads", "loader")
    role = night.cloud.environment | night.cloud.credentials("take-in", "TakeInTaskTaskRole")
    done = subprocess.run(
        [*TUPPENCE, *command_line],
        env=os.environ | role,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"{FILES} transactions were loaded into the database" in done.stdout
    with psycopg.connect(database) as connection:
        (found,) = connection.execute("SELECT count(*) FROM tuppence.consents").fetchall()
    assert found == (1,), "the environment says what new customers have agreed to"
    keys = {one["Key"] for one in s3.list_objects_v2(Bucket=inbox)["Contents"]}
    assert keys == {
        "inbox/bank/mapping.yaml",
        *(f"imported/bank/{number}.csv" for number in range(1, FILES + 1)),
        *("refused/nobody/1.csv", "refused/nobody/1.csv.reason.txt"),
    }
    assert invoke_function("tuppence-local-watch", b"{}")["FilesWaiting"] == 0


def test_what_cannot_be_done_is_named_and_can_be_sent_again(poisoned: str) -> None:
    found = wait_for(poisoned)
    (title,) = found.titles
    assert title.startswith(f"{POISON}: the engine refused: ")
    assert (found.items, found.done, found.given_up) == (1, 0, 1)
    printed = command("fleet", "status", poisoned, "--env", "local", status=4)
    assert "ended, not complete" in printed
    assert f"given up: {POISON}" in printed
    assert "0 pages, 1 items" in command("fleet", "redrive", poisoned, "--env", "local")
    assert wait_for(poisoned).titles == (title,), "it is refused again"


def test_dead_letters_are_named_and_can_be_sent_again(night: Night) -> None:
    """The queues give messages up at once, as if functions had been killed at every try."""
    sqs = client("sqs")
    wait_for(night.run_id)
    run = Start(as_of=night.as_of, run_id="dead", customers=("C0000001", "C0000002"))
    resolved = resolve_run(run, lambda: night.ruleset, datetime.datetime.now(datetime.UTC), 25, 0)
    ledger = DynamoLedger(client("dynamodb"), night.cloud.name("data", "Ledger"))
    queue = SqsQueue(sqs, night.cloud.name("data", "DeadPages"))
    list_customers(ledger.begin(resolved), People(()), queue, ledger, lambda: True)
    found = wait_for("dead")
    assert (found.ended, found.complete, found.given_up_pages) == (True, False, 1)
    assert found.titles[0].startswith("page 0, C0000001 and 1 more: its queue gave it up")
    assert "1 pages, 0 items" in command("fleet", "redrive", "dead", "--env", "local")
    assert wait_for("dead").complete
    page = Page("dead", night.as_of, night.ruleset, 0, resolved.chosen, 25, 0)
    (item,) = split_page(page, list)
    SqsQueue(sqs, night.cloud.name("data", "DeadItems")).send([item])
    wait_until(lambda: count(night, "DeadItems") == 0)
    assert wait_for("dead").complete, "what is done stays done"
    assert night.is_right()


def test_a_run_can_be_begun_by_hand_and_an_older_one_is_refused(night: Night) -> None:
    fleet = ("fleet", "start", "--env", "local", "--prefix", "C000003")
    printed = command(*fleet, "--as-of", night.as_of, "--run-id", "hand")
    assert printed == "run hand: all customers are listed on 1 pages\n"
    assert wait_for("hand").items == 1
    smoke = ("fleet", "smoke", "--as-of", night.as_of, "--env", "local")
    assert "complete" in command(*smoke, "C0000001", "--run-id", "smoke-1")
    refused = command(*smoke, "C9999999", "--run-id", "smoke-2", status=1)
    assert "C9999999 was not listed" in refused
    assert "the latest run is as of" in command(*fleet, "--as-of", "2026-01-01", status=1)
    assert "2 engines serve" in command("fleet", "refresh", "--env", "local")
