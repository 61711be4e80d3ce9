"""`make aws-local`: the stacks on an emulator of AWS, one nightly run, and a comparison."""

import argparse
import datetime
import sys
import tempfile
import time
import zoneinfo
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.__main__ import ROOT, Run, approve_rules, say, tuppence
from local.cloud import Cloud
from local.servers import PATIENCE, MissingError, Server
from local.stack import without_census
from tuppence.adapters.aws.clients import client
from tuppence.adapters.aws.fleet import Fleet
from tuppence.adapters.aws.rulesets import S3Rulesets
from tuppence.adapters.embedded.database import Database
from tuppence.bootstrap.aws import dynamo_results
from tuppence.errors import UserError
from tuppence.usecases.fleet.messages import Start
from tuppence.usecases.fleet.progress import Progress

ZONE: Final = zoneinfo.ZoneInfo("Europe/London")
FAIR: Final = 0.5
"""Part of its equal share that every engine has to do at least."""


def fill(
    cloud: Cloud, store: Path, customers: int, until: str, rules: Path, run: Run = tuppence
) -> None:
    """Make a population, and load it and rules into the database, by commands."""
    run("synth", "--store", store, "--customers", customers, "--until", until)
    consent = ("--consent-from", "2020-01-01", "--consent-until", "2099-01-01")
    run("load", "--store", store, "--to", cloud.platform.database, *consent)
    approve_rules(cloud.platform, rules, run)


def publish(cloud: Cloud, as_of: str) -> str:
    """Have the functions make a ruleset and publish it; return its digest."""
    made = Fleet("local").convert(Start(as_of=as_of))
    rulesets = S3Rulesets(client("s3"), cloud.name("data", "Rulesets"), "rulesets/")
    deadline = time.monotonic() + PATIENCE
    while rulesets.current() != made["ruleset"]:
        assert time.monotonic() < deadline, "the refresh function does not publish"
        time.sleep(0.2)
    cloud.platform.wait_until_ready()
    return str(made["ruleset"])


def fire_schedule() -> None:
    """Create a one-off schedule that does what the nightly schedule does, due at once."""
    schedules = client("scheduler")
    every = [one["Name"] for one in schedules.list_schedules()["Schedules"]]
    (nightly,) = (name for name in every if "Nightly" in name)
    whole = schedules.get_schedule(Name=nightly)
    schedules.create_schedule(
        Name="now",
        ScheduleExpression="at(2026-01-01T01:00:00)",
        FlexibleTimeWindow=whole["FlexibleTimeWindow"],
        Target=whole["Target"],
    )


def wait_for(run_id: str, seconds: float = PATIENCE) -> Progress:
    """Wait until a run has begun and every item is done or given up."""
    deadline = time.monotonic() + seconds
    fleet = Fleet("local")
    while time.monotonic() < deadline:
        try:
            found = fleet.progress(run_id)
        except UserError as error:
            if error.code != "run.unknown":  # it has not begun yet
                raise
        else:
            if found.ended:
                return found
        time.sleep(0.5)
    raise RuntimeError(f"the run {run_id} has not ended in time: {fleet.progress(run_id)}")


def differences(cloud: Cloud, store: Path) -> tuple[int, int]:
    """Count the customers evaluated, and those whose results differ from a run in one process.

    Results of rules that read a census are left out, because a fleet has none.
    """
    rulesets = S3Rulesets(client("s3"), cloud.name("data", "Rulesets"), "rulesets/")
    there = dynamo_results(cloud.name("data", "Results"), rulesets.get)()
    with Database(store / "results.sqlite", reading=True) as database:
        here = {row.customer_id: without_census(row) for row in database.scan()}
    kept = there.get(sorted(here))
    there.close()
    found = {name: without_census(row) for name, row in kept.items()}
    return len(found), sum(found.get(name) != results for name, results in here.items())


def main() -> int:
    """Run once; return 0 if the run completes with the results of a run in one process."""
    parser = argparse.ArgumentParser(prog="make aws-local", description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--secure", action="store_true", help="check policies, speak TLS only")
    parser.add_argument(
        "--within", type=float, default=600.0, help="seconds in which the run has to end"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
        try:
            return _run(Path(folder), options)
        except MissingError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped")
            return 130


def busy_shares(engines: Sequence[Server]) -> list[float]:
    """Return the share of all evaluated items that each engine evaluated."""
    counts = [
        engine.log.read_text().count('"path": "/v1/evaluations", "status": 200')
        for engine in engines
    ]
    return [count / max(sum(counts), 1) for count in counts]


def _run(folder: Path, options: argparse.Namespace) -> int:
    customers, engines, secure = options.customers, options.engines, options.secure
    say("starting the emulator, PostgreSQL, relay, engines, load balancer; deploying the stacks")
    began = time.monotonic()
    store = folder / "store"
    with Cloud(folder / "cloud", secure=secure, engine_count=engines) as cloud:
        made = {stack: len(names) for stack, names in cloud.names.items()}
        print("  " + ", ".join(f"{stack} {count}" for stack, count in made.items()) + " resources")
        today = datetime.datetime.now(ZONE).date().isoformat()
        say(f"making and loading {customers:,} customers, and the catalogue")
        fill(cloud, store, customers, today, ROOT / "catalogue")
        say("calling the function that makes and publishes rulesets")
        ruleset = publish(cloud, today)
        say(f"ready after {time.monotonic() - began:.0f} s; the schedule fires")
        began = time.monotonic()
        fire_schedule()
        run_id = f"{today}-{ruleset}"
        found = wait_for(run_id, options.within)
        seconds = time.monotonic() - began
        print(tuppence("fleet", "status", run_id, "--env", "local"), end="")
        shares = busy_shares(cloud.platform.engines)
        each = " and ".join(f"{share:.0%}" for share in shares)
        print(
            f"  {customers / seconds:,.0f} customers a second, {seconds:.0f} s; engines did {each}"
        )
        say("the same run in one process")
        tuppence("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", today)
        evaluated, different = differences(cloud, store)
    print(f"  {evaluated:,} customers have results in DynamoDB, {different:,} differ")
    whole = found.complete and not different and evaluated == customers
    return 0 if whole and min(shares) > FAIR / engines else 1


if __name__ == "__main__":
    sys.exit(main())
