"""Breaks parts of the platform while requests flow, to find wrong answers and lost results.

python -m local.chaos            # prints the table of docs/explanation/reliability.md
"""

import argparse
import asyncio
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from local.__main__ import DAY, ROOT, say, tuppence
from local.load import Noted, flow
from local.stack import Platform, address
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.engine.columnar import Engine
from tuppence.feel.values import Date, parse_date
from tuppence.plan.plan import make_plan
from tuppence.results.result import CustomerResults, json_value
from tuppence.rules.files import read_rules
from tuppence.rules.ruleset import Ruleset, make_ruleset

RETRYABLE: Final = frozenset({0, 429, 502, 503, 504})
"""Statuses after which a client may repeat the same request; 0 is a broken connection."""
Expected = Mapping[str, Mapping[str, Any]]
"""The results that an answer must hold, by the digest of a ruleset, then by customer."""


class Event(NamedTuple):
    """An action on the platform while requests flow."""

    name: str
    happens: Callable[[], None]


class Phase(NamedTuple):
    """The requests that were due between the start of one event and the start of the next."""

    name: str
    requests: int
    statuses: Mapping[int, int]
    wrong: int
    median: float
    slowest: float


class Outcome(NamedTuple):
    """The observations of one experiment.

    Attributes:
        phases: One phase for each event, in order.
        lost: Customers who got an answer but whose stored results are missing or different.
        rulesets: Number of answers by the ruleset that they name.
    """

    phases: Sequence[Phase]
    lost: Sequence[str]
    rulesets: Mapping[str, int]


def observe(
    platform: Platform,
    events: Sequence[Event],
    expected: Expected,
    rate: int,
    seconds: float,
) -> Outcome:
    """Let requests flow, make one event happen after another, and compare the answers.

    Args:
        platform: The platform that answers the requests and that the events break.
        events: The events, in order.
        expected: The results that answers must hold.
        rate: Requests a second.
        seconds: Seconds from the end of an event to the start of the next.
    """
    customers = sorted(next(iter(expected.values())))
    port = (platform.balancer or platform.engines[0]).port
    beginnings: list[float] = []

    async def together() -> list[Noted]:
        stop = asyncio.Event()
        flowing = asyncio.create_task(flow(port, platform.token, customers, DAY, rate, stop))
        for event in events:
            beginnings.append(time.perf_counter())
            await asyncio.to_thread(event.happens)
            await asyncio.sleep(seconds)
        stop.set()
        return await flowing

    noted = asyncio.run(together())
    phases = []
    for event, (begin, end) in zip(
        events, itertools.pairwise([0.0, *beginnings[1:], math.inf]), strict=True
    ):
        mine = [n for n in noted if begin <= n.at < end]
        phases.append(_phase(event.name, mine, expected))
    return Outcome(phases, _lost(platform, noted, expected), Counter(n.ruleset for n in noted))


def _phase(name: str, noted: Sequence[Noted], expected: Expected) -> Phase:
    good = [n for n in noted if n.status == 200]
    wrong = sum(n.results != [expected[n.ruleset][n.customer]] for n in good)
    times = [n.seconds for n in good] or [0.0]
    statuses = dict(Counter(n.status for n in noted))
    return Phase(name, len(noted), statuses, wrong, statistics.median(times), max(times))


def _lost(platform: Platform, noted: Sequence[Noted], expected: Expected) -> list[str]:
    answered = sorted({n.customer for n in noted if n.status == 200})
    with Database(platform.results, reading=True) as database:
        kept = database.get(answered)
    return [
        customer
        for customer in answered
        if customer not in kept
        or expected[kept[customer].ruleset][customer] != said_of(kept[customer])
    ]


def expectation(store: Path, ruleset: Ruleset) -> dict[str, Any]:
    """Return the results that the engines must give for every customer of a store."""
    facts, date = FactStore(store), parse_date(DAY)
    assert date is not None
    engine = Engine(make_plan(ruleset, date, facts.schema))
    found: dict[str, Any] = {}
    for name, _ in facts.partitions():
        for row in engine.evaluate(facts.read(name)).results.rows():
            found[row.customer_id] = said_of(row)
    return found


def said_of(row: CustomerResults) -> Any:
    """Return a customer's results in the form of an answer."""
    said = {
        "customer_id": row.customer_id,
        "results": [
            {
                "rule_id": result.rule_id,
                "state": result.state,
                "score": result.score,
                "values": {name: json_value(value) for name, value in result.values.items()},
                "since": str(Date(result.since)),
            }
            for result in row.results
        ],
    }
    return msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(said))


def publish(platform: Platform, digest: str) -> None:
    """Make all engines serve a ruleset."""
    addresses = [part for engine in platform.engines for part in ("--engines", address(engine))]
    where = ("--rulesets", platform.rulesets, "--token", platform.folder / "engine.token")
    given = ("--database", platform.database, *where, *addresses, "--ruleset", digest)
    tuppence("rules", "publish", *given)


def two_rulesets(platform: Platform, store: Path, rules: Path) -> tuple[Ruleset, Ruleset]:
    """Store and return two rulesets: the rules of a folder, and those without the first one."""
    checked = read_rules(rules, FactStore(store).schema).usable()
    first, second = make_ruleset(checked), make_ruleset(checked[1:])
    for ruleset in (first, second):
        RulesetDirectory(platform.rulesets).put(ruleset)
    return first, second


def events(platform: Platform, second: Ruleset) -> list[Event]:
    """Return the events, in order."""
    victim = platform.engines[1]

    def bad() -> None:
        path = platform.rulesets / f"{'0' * 16}.json"
        path.write_text("{}")
        try:
            publish(platform, "0" * 16)
        except SystemExit:
            return
        raise AssertionError("a damaged ruleset was published")

    def restart_database() -> None:
        platform.postgres.stop()
        platform.postgres.start()

    return [
        Event("nothing", lambda: None),
        Event("kill -9 of an engine", victim.kill),
        Event("the engine is started again", victim.start),
        Event("PostgreSQL is restarted", restart_database),
        Event("a new ruleset is published", lambda: publish(platform, second.digest)),
        Event("a bad ruleset is published", bad),
    ]


def main() -> int:
    """Print the observations; return 1 if anything was wrong or lost."""
    parser = argparse.ArgumentParser(prog="python -m local.chaos", description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="after each event")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
        store = Path(folder) / "store"
        say("making a population, starting the platform")
        tuppence("synth", "--store", store, "--customers", options.customers, "--months", 4)
        with Platform(Path(folder) / "services") as platform:
            consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
            tuppence("load", "--store", store, "--to", platform.database, *consent)
            first, second = two_rulesets(platform, store, ROOT / "catalogue")
            expected = {r.digest: expectation(store, r) for r in (first, second)}
            publish(platform, first.digest)
            platform.wait_until_ready()
            say(f"{options.rate:,} requests a second, {options.seconds:g} s for each event")
            happening = events(platform, second)
            found = observe(platform, happening, expected, options.rate, options.seconds)
    print(table(found))
    return 0 if is_right(found) else 1


def is_right(found: Outcome) -> bool:
    """Return whether no answer was wrong, no result was lost, and every error was retryable."""
    fine = all(
        not phase.wrong and phase.statuses.keys() <= RETRYABLE | {200} for phase in found.phases
    )
    return fine and not found.lost


def table(found: Outcome) -> str:
    """Return the observations as a Markdown table."""
    lines = [
        "| what happens | requests | answered | to be tried again | wrong | median | slowest |",
        "|---|---|---|---|---|---|---|",
    ]
    for phase in found.phases:
        again = ", ".join(
            f"{count} × {status or 'broken'}"
            for status, count in sorted(phase.statuses.items())
            if status != 200
        )
        lines.append(
            f"| {phase.name} | {phase.requests:,} | {phase.statuses.get(200, 0):,} "
            f"| {again or 'none'} | {phase.wrong} | {1000 * phase.median:.0f} ms "
            f"| {1000 * phase.slowest:.0f} ms |"
        )
    return "\n".join([*lines, "", f"Customers whose results were lost: {len(found.lost)}."])


if __name__ == "__main__":
    sys.exit(main())
