"""`make platform`: start everything, load a population, publish the catalogue, wait for Ctrl-C."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from local.servers import MissingError
from local.stack import TUPPENCE, Platform, address

ROOT: Final = Path(__file__).parent.parent
DAY: Final = "2026-06-30"
Run = Callable[..., str]
"""A function that runs a command, given its words, and returns its output."""


def main() -> int:
    """Run the platform until Ctrl-C; return 0 if all went well."""
    parser = argparse.ArgumentParser(prog="make platform", description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--engines", type=int, default=3)
    parser.add_argument("--run", action="store_true", help="evaluate everybody, then stop")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
        return _run(Path(folder), options.customers, options.engines, once=options.run)


def _run(folder: Path, customers: int, engines: int, *, once: bool) -> int:
    began = time.monotonic()
    say("starting PostgreSQL, the SQL relay, the engines and the load balancer")
    try:
        with Platform(folder / "services", engines) as platform:
            say(f"making and loading {customers:,} customers")
            store = folder / "store"
            tuppence("synth", "--store", store, "--customers", customers)
            consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
            tuppence("load", "--store", store, "--to", platform.database, *consent)
            say("putting the catalogue into the database, having it approved, publishing it")
            print(publish_catalogue(platform), end="")
            platform.wait_until_ready()
            say(f"ready after {time.monotonic() - began:.0f} s")
            describe(platform)
            if once:
                print(dispatch(platform), end="")
            else:
                print("\nCtrl-C stops all of it.", flush=True)
                signal.pause()
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
    return 0


def publish_catalogue(platform: Platform) -> str:
    """Publish the shipped rules to the engines, and return what the command prints."""
    approve_rules(platform, ROOT / "catalogue")
    database = ("--database", platform.database)
    addresses = [part for engine in platform.engines for part in ("--engines", address(engine))]
    where = ("--rulesets", platform.rulesets, "--token", platform.folder / "engine.token")
    return tuppence("rules", "publish", *database, *where, *addresses, "--as-of", DAY)


def tuppence(*arguments: object) -> str:
    """Run a command, and return its output.

    Raises:
        SystemExit: The command failed; the message is its output.
    """
    command: Sequence[str] = [*TUPPENCE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def approve_rules(platform: Platform, rules_folder: Path, run: Run = tuppence) -> None:
    """Put rules into the database as one person, and approve them as another, by commands."""
    author, reviewer = (("--database", platform.person(name)) for name in ("author", "reviewer"))
    why = ("--reason", "trying it out")
    run("definitions", "put", rules_folder, *author, *why)
    listed = msgspec.json.decode(run("definitions", "list", *author, "--format", "json"))
    rules = [row["rule_id"] for row in listed if row["state"] == "draft"]
    run("definitions", "move", *rules, *author, "--to", "in_review", *why)
    read = msgspec.json.decode(run("definitions", "review", *reviewer, "--format", "json"))
    names = ["{rule_id}:{version}:{digest}".format(**row) for row in read]
    run("definitions", "approve", *names, *reviewer, *why)


def dispatch(platform: Platform) -> str:
    """Evaluate all customers through the engines, and return what the command prints."""
    folder = platform.folder
    current = (platform.rulesets / "current").read_text().strip()
    return tuppence(
        *("dispatch", "--relay", address(platform.relay), "--engines", platform.url),
        *("--relay-token", folder / "relay.token", "--token", folder / "engine.token"),
        *("--ruleset", current, "--as-of", DAY, "--ledger", folder / "ledger.sqlite"),
    )


def describe(platform: Platform) -> None:
    """Print where each service runs, and what to try."""
    folder = platform.folder
    rows = [
        ("database", platform.database),
        ("SQL relay", f"{address(platform.relay)}   token in {folder / 'relay.token'}"),
        ("engines", "   ".join(address(engine) for engine in platform.engines)),
        ("all engines", f"{platform.url}   token in {folder / 'engine.token'}"),
        ("logs", f"{folder}/*.log"),
    ]
    print("\n".join(f"  {name:12} {value}" for name, value in rows))
    if platform.balancer is None:
        print("  haproxy is not installed, so requests go to the first engine only")
    print(
        "\nTry:\n"
        f"  curl -s {platform.url}/v1/customers/C0000007/rules/bank_fees/evaluation \\\n"
        f'    -H "Authorization: Bearer $(cat {folder}/engine.token)" \\\n'
        "    -H 'Content-Type: application/json' "
        f'-d \'{{"as_of": "{DAY}"}}\'',
        flush=True,
    )


def say(text: str) -> None:
    """Print a line that announces a step."""
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
