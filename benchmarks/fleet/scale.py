"""Simulates runs of 1, 10 and 100 million customers: figures and plots for the page on scale.

It lifts one limit after another until a run takes an hour, and writes the section of figures of
docs/explanation/scale.md, and docs/explanation/scale-*.svg by way of build/bench/scale.json.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks.fleet import model  # noqa: E402
from benchmarks.fleet.model import Limits, Outcome, simulate  # noqa: E402

from tuppence.capacity.cost import monthly  # noqa: E402
from tuppence.capacity.environments import ENVIRONMENTS, Environment  # noqa: E402
from tuppence.capacity.run import Load, our_shape  # noqa: E402
from tuppence.capacity.tables import read_prices, read_work  # noqa: E402

PAGE = ROOT / "docs/explanation/scale.md"
BUILD = ROOT / "build/bench"
SIZES = (1_000_000, 10_000_000, 100_000_000)
RULES = 60
FIRST_NIGHTS = (1_000_000, 10_000_000)
GOAL = 3_600.0
"""Target for the seconds of a run."""
FIRST = "as `prod` is"
MAX_UNITS = 256.0
"""Maximum number of Aurora capacity units of one instance."""


class Setup(NamedTuple):
    """The settings of a run: our own, AWS's quotas, and the number of parts that list customers."""

    environment: Environment
    limits: Limits
    listers: int = 1


class Step(NamedTuple):
    """A run, and the setting that was changed for it."""

    change: str
    setup: Setup
    outcome: Outcome
    usd: float


def lifted(setup: Setup, part: str) -> tuple[Setup, str]:
    """Double the limit of a part; return the new setup, and a description of the change."""
    environment, limits, listers = setup
    match part:
        case "listers":
            after, change = setup._replace(listers=2 * listers), f"started in {2 * listers} parts"
        case "functions":
            most = 2 * environment.invoke_concurrency
            after = setup._replace(
                environment=replace(environment, invoke_concurrency=most),
                limits=replace(limits, functions=max(most, limits.functions)),
            )
            asked = "" if most <= limits.functions else ", which AWS has to grant"
            change = f"`invoke_concurrency` {most:,}{asked}"
        case "engines":
            most = 2 * environment.engine_ceiling
            after = setup._replace(environment=replace(environment, engine_ceiling=most))
            change = f"`engine_ceiling` {most}"
        case model.STARTING:
            floor = min(4 * environment.engine_floor, environment.engine_ceiling)
            after = setup._replace(environment=replace(environment, engine_floor=floor))
            change = f"`engine_floor` {floor}"
        case "relay":
            most = 2 * environment.relay_tasks
            after = setup._replace(environment=replace(environment, relay_tasks=most))
            change = f"`relay_tasks` {most}"
        case "database":
            least, units = environment.database_units
            if units < MAX_UNITS:
                both = (least, min(2 * units, MAX_UNITS))
                after = setup._replace(environment=replace(environment, database_units=both))
                change = f"`database_units` up to {both[1]:g}"
            else:
                readers = 2 * max(1, environment.readers)
                after = setup._replace(environment=replace(environment, readers=readers))
                change = f"`readers` {readers}"
        case "reads of results" | "writes of results":
            name = "warm_reads" if part.startswith("reads") else "warm_writes"
            most = 2 * int(getattr(environment, name))
            warmed: dict[str, Any] = {name: most}
            after = setup._replace(
                environment=replace(environment, **warmed),
                limits=replace(limits, table_units=max(most, limits.table_units)),
            )
            asked = "" if most <= limits.table_units else ", which AWS has to grant"
            change = f"`{name}` {most:,}{asked}"
        case _:  # larger items: fewer messages and ledger entries
            most = 2 * environment.customers_per_item
            after = setup._replace(environment=replace(environment, customers_per_item=most))
            change = f"`customers_per_item` {most}"
    return after, change


def steps(customers: int) -> Iterator[Step]:
    """Yield a run as it is, then with one limit after another lifted, until the goal is met."""
    work, prices = read_work(), read_prices(ENVIRONMENTS["prod"].region)
    setup, change = Setup(ENVIRONMENTS["prod"], Limits()), FIRST
    while True:
        environment, limits, listers = setup
        outcome = simulate(environment, work, limits, customers, RULES, listers)
        bill = monthly(
            environment, prices, work, Load(customers, RULES, 1), our_shape(environment, work)
        )
        yield Step(change, setup, outcome, sum(line.usd for line in bill))
        if outcome.seconds <= GOAL and change != FIRST:
            return
        setup, change = lifted(setup, outcome.limit)


def first_night(customers: int) -> str:
    """Return the row of a first night, which writes every result, as `prod` is."""
    work = read_work()
    every = work.results.writes_by_rule_on_a_first_night
    results = msgspec.structs.replace(work.results, writes_by_rule=every)
    work = msgspec.structs.replace(work, results=results)
    found = simulate(ENVIRONMENTS["prod"], work, Limits(), customers, RULES)
    busiest = max(found.busy.values())
    size = f"{customers // 1_000_000} million"
    return f"| {size} | {minutes(found.seconds)} | {found.limit} | {busiest:.0%} |"


def minutes(seconds: float) -> str:
    """Format seconds as minutes, for people."""
    return f"{seconds / 60:,.0f} min" if seconds < 5_400 else f"{seconds / 3_600:,.1f} h"


def section(found: dict[int, list[Step]]) -> str:
    """Return the tables of the page."""
    lines = []
    for customers, taken in found.items():
        lines += [
            f"### {customers // 1_000_000} million customers",
            "",
            "| setting | a run takes | limited by | utilisation | dollars a month |",
            "|---|---:|---|---:|---:|",
        ]
        for step in taken:
            limit = step.outcome.limit
            busiest = max(step.outcome.busy.values())
            lines.append(
                f"| {step.change} | {minutes(step.outcome.seconds)} | {limit} "
                f"| {busiest:.0%} | {step.usd:,.0f} |"
            )
        lines.append("")
    lines += [
        "### The first night",
        "",
        "| customers | a run takes | limited by | utilisation |",
        "|---|---:|---|---:|",
        *(first_night(customers) for customers in FIRST_NIGHTS),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Simulate, and write the plots and the page."""
    found: dict[int, list[Step]] = {}
    for customers in SIZES:
        found[customers] = []
        for step in steps(customers):
            found[customers].append(step)
            outcome = step.outcome
            print(f"{customers:,}: {step.change}: {outcome.seconds:,.0f} s, {outcome.limit}")
    data = {
        str(customers): [
            {
                "change": step.change,
                "seconds": step.outcome.seconds,
                "items": step.outcome.items,
                "ceiling": step.setup.environment.engine_ceiling,
                "moments": step.outcome.moments,
            }
            for step in (taken[0], taken[-1])
        ]
        for customers, taken in found.items()
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "scale.json").write_text(json.dumps(data))
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{section(found)}{end}", text), "utf-8")
    python = BUILD / "venv/bin/python"  # it has matplotlib
    subprocess.run([python, HERE / "plot.py", BUILD / "scale.json", PAGE.parent], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
