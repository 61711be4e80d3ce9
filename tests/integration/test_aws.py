"""Runs the stacks on an emulator that checks every policy and allows only TLS, with failures."""

import datetime
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from botocore.exceptions import ClientError
from local.aws import differences, fill, fire_schedule, publish, wait_for
from local.cloud import Cloud
from local.servers import PATIENCE, MissingError
from tests.building import copy_rules
from tests.commands import command

from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.fleet import Fleet
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.usecases.fleet.listing import list_customers, resolve_run
from tuppence.usecases.fleet.messages import CUSTOMERS_PER_PAGE, Page, Start

CUSTOMERS = 104
RULES = (
    *("bank_fees", "bill_missed", "card_utilisation", "cash_share", "groceries_up", "low_balance"),
    *("month_in_review", "pay_arrived", "spending_abroad", "subscriptions_total", "welcome"),
)
"""Of the catalogue, all of which test_platform sends through the services."""
POISON = "x" * 201
"""An identifier that the engines refuse."""


class Night(NamedTuple):
    """A cloud with a population and a published ruleset, after its nightly run."""

    cloud: Cloud
    store: Path
    rules: Path
    ruleset: str
    as_of: str
    run_id: str

    def start(self, run_id: str, **what: Any) -> Any:
        return Fleet("local").start(Start(as_of=self.as_of, run_id=run_id, **what))

    def is_right(self) -> bool:
        """Return whether the results equal those of a run in one process."""
        return differences(self.cloud, self.store) == (CUSTOMERS, 0)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("aws")
    store, rules = folder / "store", copy_rules(folder / "rules", *RULES)
    try:
        with Cloud(folder / "cloud", secure=True) as cloud:
            fill(cloud, store, CUSTOMERS, "2026-06-30", rules)
            as_of = time.strftime("%Y-%m-%d")
            ruleset = publish(cloud, as_of)
            fire_schedule()
            yield Night(cloud, store, rules, ruleset, as_of, f"{as_of}-{ruleset}")
    except MissingError as error:
        pytest.skip(str(error))


class NobodyElse:
    """Lists no customers, as the run names them."""

    def page(self, after: str, as_of: Date, limit: int) -> list[str]:
        raise AssertionError(after, as_of, limit)


@pytest.fixture(scope="module", autouse=True)
def poisoned(night: Night) -> str:
    """Start a run of three customers, one of whom the engines refuse; return its identifier.

    It is listed here, as the function that lists customers refuses such a name.
    """
    named = Start(as_of=night.as_of, run_id="poisoned", customers=("C0000001", "C0000002"))
    now = datetime.datetime.now(datetime.UTC)
    run = msgspec.structs.replace(
        resolve_run(named, lambda: night.ruleset, now, 1, 0),
        chosen=("C0000001", "C0000002", POISON),  # in their order
    )
    ledger = DynamoLedger(client("dynamodb"), night.cloud.name("data", "Ledger"))
    queue = SqsQueue(client("sqs"), night.cloud.name("data", "CustomerQueue"))
    list_customers(ledger.begin(run), NobodyElse(), queue, ledger, lambda: True)
    return "poisoned"


def test_a_night_gives_what_one_process_gives(night: Night) -> None:
    found = wait_for(night.run_id)
    assert found.complete
    assert (found.items, found.done, found.pages) == (CUSTOMERS, CUSTOMERS, 2)
    command("run", "--store", night.store, "--rules", night.rules, "--as-of", night.as_of)
    assert night.is_right()
    printed = command("fleet", "status", night.run_id, "--env", "local")
    assert "complete" in printed
    assert not Fleet("local").progress("poisoned").complete


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
        Page(night.run_id, night.as_of, night.ruleset, number, tuple(part), 1, 0)
        for number, part in enumerate(parts)
    ]
    SqsQueue(client("sqs"), night.cloud.name("data", "CustomerQueue")).send([*reversed(pages)] * 2)
    until_taken(night)
    assert wait_for(night.run_id) == before
    assert night.is_right()


def count(night: Night, queue: str) -> int:
    """Return the number of messages that wait in a queue."""
    name = "ApproximateNumberOfMessages"
    found = client("sqs").get_queue_attributes(
        QueueUrl=night.cloud.name("data", queue), AttributeNames=[name]
    )
    return int(found["Attributes"][name])


def wait_until_tried_again(run_id: str, times: int) -> None:
    """Wait until the function's log shows an item of a run that was received a number of times."""
    deadline = time.monotonic() + PATIENCE
    pattern = f'{{ $.run_id = "{run_id}" && $.receives >= {times} }}'
    logs = client("logs")
    while not logs.filter_log_events(
        logGroupName="/aws/lambda/tuppence-local-invoke", filterPattern=pattern
    )["events"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def until_taken(night: Night) -> None:
    """Wait until no message waits in a queue; messages being processed do not count."""
    deadline = time.monotonic() + 120
    quiet = 0
    while quiet < 4:
        assert time.monotonic() < deadline
        waiting = count(night, "CustomerQueue") + count(night, "InvokeQueue")
        quiet = 0 if waiting else quiet + 1
        time.sleep(0.5)


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


def test_what_cannot_be_done_is_named_and_can_be_sent_again(night: Night, poisoned: str) -> None:
    found = wait_for(poisoned)
    (title,) = found.titles
    assert title.startswith(f"{POISON}: the engine refused: ")
    assert (found.done, found.dead_lettered) == (2, 1)
    printed = command("fleet", "status", poisoned, "--env", "local", status=4)
    assert "ended, not complete" in printed
    assert f"given up: {POISON}" in printed
    deadline = time.monotonic() + 120
    while count(night, "DeadItems") < 1:  # it is given up when its last try ends, and moved later
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert count(night, "DeadItems") == 1
    assert "0 pages, 1 items" in command("fleet", "redrive", "--env", "local")


def test_a_run_can_be_begun_by_hand_and_an_older_one_is_refused(night: Night) -> None:
    fleet = ("fleet", "start", "--env", "local", "--prefix", "C000003")
    printed = command(*fleet, "--as-of", night.as_of, "--run-id", "hand")
    assert printed == "run hand: all customers are listed on 1 pages\n"
    assert wait_for("hand").items == 10
    assert "the latest run is as of" in command(*fleet, "--as-of", "2026-01-01", status=1)
    assert "2 engines serve" in command("fleet", "refresh", "--env", "local")
