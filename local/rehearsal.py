"""`make rehearsal`: five incidents on the local fleet, with the alarm, the page and the commands.

The stacks run on an emulator of AWS, which evaluates alarms by the metrics of functions and by what
their logs contain. Metrics that AWS measures at the load balancer and at tasks are counted here, in
the logs of the services and as tasks end, and sent to the emulator.
"""

import datetime
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from local.__main__ import ROOT, approve_rules, say
from local.aws import ZONE, fill, publish, wait_for
from local.cloud import Cloud
from local.servers import PATIENCE, MissingError, Server
from local.stack import TUPPENCE
from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.fleet import Fleet
from tuppence.adapters.aws.functions import invoke_function
from tuppence.adapters.aws.ledger import DynamoLedger
from tuppence.adapters.aws.queues import SqsQueue
from tuppence.errors import UserError
from tuppence.usecases.fleet.listing import list_customers, resolve_run
from tuppence.usecases.fleet.messages import Start

CUSTOMERS: Final = 50
RULES: Final = ("bank_fees", "low_balance", "pay_arrived", "subscriptions_total", "welcome")
POISON: Final = "x" * 201
"""An identifier that engines refuse."""


class Fleets(NamedTuple):
    """The local fleet, and what it serves."""

    cloud: Cloud
    as_of: str
    ruleset: str

    @property
    def night(self) -> str:
        """Name of the run of everybody."""
        return f"{self.as_of}-{self.ruleset}"


def main() -> int:
    """Rehearse everything; return 0 if every alarm came and every cure worked."""
    try:
        with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
            rehearse(Path(folder))
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def rehearse(folder: Path) -> None:
    """Start the local fleet, and cause one incident after another."""
    say("starting the local fleet")
    rules = folder / "rules"
    rules.mkdir()
    for name in RULES:
        text = (ROOT / f"catalogue/{name}.yaml").read_text()
        (rules / f"{name}.yaml").write_text(text)
    with Cloud(folder / "cloud") as cloud:
        as_of = datetime.datetime.now(ZONE).date().isoformat()
        fill(cloud, folder / "store", CUSTOMERS, as_of, rules)
        fleet = Fleets(cloud, as_of, publish(cloud, as_of))
        incidents: dict[str, Callable[[Fleets, Path], None]] = {
            "A customer whom engines refuse": poison_customer,
            "A run that is late": late_run,
            "Engines that crash again and again": crash_loop,
            "A fail-over of the database": fail_over,
            "Definitions that make no valid ruleset": bad_ruleset,
        }
        for title, happen in incidents.items():
            print(f"\n### {title}\n", flush=True)
            happen(fleet, folder)


def poison_customer(fleet: Fleets, _: Path) -> None:
    """Have a run evaluate a customer whom engines refuse."""
    names = ("C0000001", "C0000002", "C0000003")
    now = datetime.datetime.now(datetime.UTC)
    start = Start(as_of=fleet.as_of, run_id="poisoned", customers=names)
    run = resolve_run(start, lambda: fleet.ruleset, now, 25, 0)
    run = msgspec.structs.replace(run, chosen=(*names, POISON))  # the function would refuse it
    ledger = DynamoLedger(client("dynamodb"), fleet.cloud.name("data", "Ledger"))
    queue = SqsQueue(client("sqs"), fleet.cloud.name("data", "CustomerQueue"))
    list_customers(ledger.begin(run), _Nobody(), queue, ledger, lambda: True)
    see_alarm("RefusedItems")
    see_logged("invoke", "item given up")
    see("fleet", "status", "poisoned")
    see("fleet", "pseudonym", names[0])
    see("fleet", "redrive", "poisoned")


def late_run(fleet: Fleets, _: Path) -> None:
    """Look at the run of today before it has begun, and begin it by hand."""
    watch()
    see_alarm("NightLate")
    see_logged("watch", "night late")
    see("fleet", "start", "--as-of", fleet.as_of)
    see("fleet", "status", fleet.night, "--wait")


def crash_loop(fleet: Fleets, _: Path) -> None:
    """Kill engines three times during a run."""
    run = f"crashes-{fleet.ruleset}"
    Fleet("local").start(Start(as_of=fleet.as_of, run_id=run))
    first, second = fleet.cloud.platform.engines
    for engine in (first, second, first):
        engine.kill()
        measure("Crashes", 1)
        engine.start()
    see_alarm("Crashes")
    see("fleet", "status", run, "--wait")


def fail_over(fleet: Fleets, _: Path) -> None:
    """Take the database away when a run begins, and bring it back."""
    platform = fleet.cloud.platform
    run = f"fail-over-{fleet.ruleset}"
    platform.postgres.kill()
    until = time.monotonic() + PATIENCE
    start = Start(as_of=fleet.as_of, run_id=run)
    try:
        Fleet("local").start(start)
    except UserError as error:
        print(f"the function customer: {error.message}")
    while (failed := errors_of(platform.relay)) < 10 and time.monotonic() < until:
        try:
            Fleet("local").start(start)
        except UserError:
            continue
    measure("RelayErrors", failed)
    see_alarm("RelayErrors")
    see_alarm("CustomerErrors")
    platform.postgres.start()
    watch()  # it has the listing go on
    wait_for(run)
    see("fleet", "status", run, "--wait")


def bad_ruleset(fleet: Fleets, folder: Path) -> None:
    """Approve a rule whose test customer does not come out."""
    rules = folder / "bad"
    rules.mkdir()
    text = (ROOT / "catalogue/bank_fees.yaml").read_text()
    (rules / "bank_fees.yaml").write_text(text.replace('score: "45"', 'score: "46"'))
    approve_rules(fleet.cloud.platform, rules)
    see("fleet", "convert", "--as-of", fleet.as_of)
    see_alarm("ConvertErrors")
    see_logged("convert", "definitions refused")
    see("fleet", "refresh", "--ruleset", fleet.ruleset)


class _Nobody:
    """Lists no customers, because the run names them."""

    def page(self, after: str, as_of: object, limit: int) -> list[str]:
        raise AssertionError(after, as_of, limit)


# -- what the person on call sees and does --------------------------------------------------------


def see(*arguments: str) -> None:
    """Run a command of the person on call, and print it with its output."""
    print(f"$ tuppence {' '.join(arguments)}")
    command = [*TUPPENCE, *arguments, "--env", "local"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = (done.stdout + done.stderr).replace(POISON, f"{POISON[:8]}…")
    print("\n".join(line.rstrip() for line in shown.splitlines() if line.strip()), flush=True)


def see_alarm(label: str) -> None:
    """Wait until an alarm is raised, and print it with the section that it names."""
    deadline = time.monotonic() + PATIENCE
    while (alarm := alarm_of(label))["StateValue"] != "ALARM":
        assert time.monotonic() < deadline, f"{label} stays {alarm['StateValue']}"
        time.sleep(0.5)
    print(f"alarm: {alarm['AlarmName']}: {alarm['AlarmDescription']}", flush=True)


def alarm_of(label: str) -> dict[str, Any]:
    """Return an alarm of the monitoring stack."""
    name = f"tuppence-local-{label}"
    (found,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def see_logged(function: str, event: str) -> None:
    """Wait until a function has logged an event, and print the line."""
    group = f"/aws/lambda/tuppence-local-{function}"
    deadline = time.monotonic() + PATIENCE
    while not (found := list(logged(group, event))):
        assert time.monotonic() < deadline, f"{function} logs no {event!r}"
        time.sleep(0.5)
    hidden = {"time", "request_id", "cold_start", "xray_trace_id"}
    line = {key: value for key, value in found[-1].items() if key not in hidden}
    print(f"log: {msgspec.json.encode(line).decode()}", flush=True)


def logged(group: str, event: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of an event in a log group."""
    for found in client("logs").filter_log_events(logGroupName=group)["events"]:
        if f'"event": "{event}"' in found["message"]:
            yield msgspec.json.decode(found["message"])


def watch() -> None:
    """Call the function that watches the run, as its schedule does every five minutes."""
    invoke_function("tuppence-local-watch", b"{}")


def measure(label: str, value: float) -> None:
    """Send a value of the metric of an alarm, as AWS would measure it."""
    alarm = alarm_of(label)
    data = {
        "MetricName": alarm["MetricName"],
        "Dimensions": alarm["Dimensions"],
        "Value": value,
    }
    client("cloudwatch").put_metric_data(Namespace=alarm["Namespace"], MetricData=[data])


def errors_of(service: Server) -> int:
    """Return the number of requests in a service's log that ended with an error."""
    return len(re.findall('"level": "ERROR".*"event": "request"', service.log.read_text()))


if __name__ == "__main__":
    sys.exit(main())
