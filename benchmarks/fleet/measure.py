"""Measures the work of the fleet: writes src/tuppence/capacity/work.toml.

Processor time is read from the processes themselves, so the emulator of AWS and the client do not
count, however slow they are.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import psycopg

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TARGET = ROOT / "src/tuppence/capacity/work.toml"
DAY = datetime.date(2026, 6, 30)
CONSENT = ("--consent-from", "2020-01-01", "--consent-until", "2099-01-01")
PAGES_NIGHT_BY_NIGHT = 55.0
"""By benchmarks/services/pages.py: here customers are loaded at once, and need fewer pages."""
SHAPES = ((1, 25), (3, 25), (1, 1))
"""The shipped rules or every third of them, and customers in an item.

There are three shapes, as an item's cost has three terms. Every third rule still reads streams and
forecasts, so that the cost of these counts as that of a customer, not of a rule.
"""
AT_ONCE = 4
PAGES = 100

sys.path.insert(0, str(ROOT))
from local.__main__ import say, tuppence  # noqa: E402 - it is not installed
from local.cloud import Cloud  # noqa: E402
from local.stack import address  # noqa: E402

from tuppence.adapters.aws.clients import client  # noqa: E402
from tuppence.adapters.aws.ledger import DynamoLedger  # noqa: E402
from tuppence.adapters.aws.queues import SqsQueue  # noqa: E402
from tuppence.adapters.aws.rulesets import S3Rulesets  # noqa: E402
from tuppence.adapters.engines import HttpEngine, HttpEvaluations  # noqa: E402
from tuppence.adapters.relay import Relay  # noqa: E402
from tuppence.facts.schema import Schema  # noqa: E402
from tuppence.feel.values import parse_date  # noqa: E402
from tuppence.rules.files import read_rules  # noqa: E402
from tuppence.rules.ruleset import make_ruleset  # noqa: E402
from tuppence.usecases.fleet.evaluating import evaluate_item  # noqa: E402
from tuppence.usecases.fleet.listing import list_customers  # noqa: E402
from tuppence.usecases.fleet.messages import (  # noqa: E402
    CUSTOMERS_PER_PAGE,
    FleetItem,
    FleetRun,
    Page,
)
from tuppence.usecases.fleet.splitting import make_items, split_page  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, living or ended."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(folder.name) == pid:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS


class Meter:
    """Measures the processor time of a platform's servers since it was created."""

    def __init__(self, cloud: Cloud) -> None:
        platform = cloud.platform
        self._servers = {
            "engine": platform.engines[0].pid,
            "relay": platform.relay.pid,
            "database": platform.postgres.pid,
        }
        self._before = {name: processor_seconds(pid) for name, pid in self._servers.items()}

    def read(self) -> dict[str, float]:
        """Return seconds by server."""
        return {
            name: processor_seconds(pid) - self._before[name] for name, pid in self._servers.items()
        }


def nights(
    cloud: Cloud, ruleset: str, customers: Sequence[str], together: int, days: Sequence[int]
) -> list[dict[str, float]]:
    """Measure several consecutive nights, by customer; the first one writes everything."""
    engines = HttpEvaluations(address(cloud.platform.engines[0]), cloud.platform.token, 60.0)
    found = []
    for number in days:
        day = DAY + datetime.timedelta(number)
        parts = [
            tuple(customers[start : start + together])
            for start in range(0, len(customers), together)
        ]
        items = [
            FleetItem("bench", day.isoformat(), ruleset, 0, place, part)
            for place, part in enumerate(parts)
        ]

        def one(item: FleetItem) -> float:
            began = time.perf_counter()
            engines.evaluate_item(item, 60.0, 60.0)
            return time.perf_counter() - began

        meter, began = Meter(cloud), time.perf_counter()
        pages, _ = database(cloud)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            times = list(pool.map(one, items))
        seconds = time.perf_counter() - began
        written = writes(cloud, day)
        night = {name: value / len(customers) for name, value in meter.read().items()}
        figures = ", ".join(f"{name} {1000 * night[name]:.2f} ms" for name in night)
        night["writes"] = written / len(customers)
        night["pages"] = (database(cloud)[0] - pages) / len(customers)
        found.append(night)
        times_ = f"{seconds:.0f} s, an item {1000 * statistics.median(times):.0f} ms"
        say(f"{day}: {figures}; {night['writes']:.1f} writes, {night['pages']:.0f} pages; {times_}")
    engines.close()
    return found


def scanned(cloud: Cloud) -> Iterable[dict[str, Any]]:
    """Yield every item of the table of results."""
    pages = (
        client("dynamodb").get_paginator("scan").paginate(TableName=cloud.name("data", "Results"))
    )
    for page in pages:
        yield from page["Items"]


def writes(cloud: Cloud, day: datetime.date) -> int:
    """Return the number of results that the run of a day wrote."""
    return sum(item["as_of"]["S"] == day.isoformat() for item in scanned(cloud))


def size(item: dict[str, Any]) -> int:
    """Return roughly the bytes of an item as DynamoDB counts them: of its names and its texts."""
    return sum(len(name) + len(json.dumps(value)) for name, value in item.items())


def functions(cloud: Cloud, ruleset: str) -> dict[str, float]:
    """Measure the processor time of the functions: to list and to split a page, and for an item."""
    platform = cloud.platform
    ledger = DynamoLedger(client("dynamodb"), cloud.name("data", "Ledger"))
    relay = Relay(address(platform.relay), (platform.folder / "relay.token").read_text().strip())
    pages = SqsQueue(client("sqs"), cloud.name("data", "CustomerQueue"))
    items = SqsQueue(client("sqs"), cloud.name("data", "InvokeQueue"))
    engines = HttpEvaluations(address(platform.engines[0]), platform.token, 60.0)
    together = SHAPES[0][1]
    run = ledger.begin(FleetRun("bench", "2030-01-01", ruleset, together))
    began = time.process_time()
    run = list_customers(run, relay, pages, ledger, lambda: True)
    listing = (time.process_time() - began) / run.pages
    names = tuple(f"C{number:07d}" for number in range(CUSTOMERS_PER_PAGE))
    page = Page("bench", "2030-01-01", ruleset, 0, names, together, 0)
    began = time.process_time()
    for number in range(PAGES):
        make_items(msgspec.structs.replace(page, number=number), tuple, items, ledger)
    cutting = (time.process_time() - began) / PAGES
    began = time.process_time()
    for item in split_page(page, tuple) * PAGES:
        evaluate_item(item, engines, ledger, "", lambda: 60.0, 60.0, may_give_up=False)
    invoking = (time.process_time() - began) / PAGES / len(split_page(page, tuple))
    return {"listing": listing, "cutting": cutting, "invoking": invoking}


def facts_bytes(cloud: Cloud, customers: Sequence[str]) -> float:
    """Return the bytes that the relay sends about one customer."""
    token = (cloud.platform.folder / "relay.token").read_text()
    answer = httpx2.post(
        f"{address(cloud.platform.relay)}/v1/facts",
        json={"as_of": DAY.isoformat(), "customers": customers},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    return len(answer.content) / len(customers)


def database(cloud: Cloud) -> tuple[int, int]:
    """Return the pages requested from the database, cached or not, and its size in bytes."""
    asked = """
        SELECT (SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint
                FROM pg_statio_user_tables),
               pg_database_size(current_database())
    """
    with psycopg.connect(cloud.platform.database, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(asked).fetchone()
    assert row is not None
    return row


def parts(found: dict[tuple[int, int], dict[str, float]], name: str) -> tuple[float, float, float]:
    """Fit a figure by customer to a / customers together + b + c * rules; return a, b and c.

    Args:
        found: Figures by customer, by numbers of rules and of customers together, as in `SHAPES`.
        name: The figure.
    """
    wide, narrow, alone = (night[name] for night in found.values())
    (many, together), (few, _), _ = found
    by_rule = (wide - narrow) / (many - few)
    by_item = (alone - wide) / (1 - 1 / together)
    return by_item, wide - by_item / together - by_rule * many, by_rule


def page(
    found: dict[tuple[int, int], dict[str, float]],
    first: dict[str, float],
    function_seconds: dict[str, float],
    item_bytes: float,
    facts: float,
    rows: float,
    customers: int,
) -> str:
    """Return the table in TOML."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    wide, (rules, _) = next(iter(found.values())), next(iter(found))
    shapes = ", ".join(f"{many} x {together}" for many, together in found)
    lines = [
        "# What a run takes, measured: benchmarks/fleet/measure.py writes this file.",
        "# Seconds are those of one processor.",
        f'measured = "{datetime.datetime.now(tz=datetime.UTC).date()}"',
        f'machine = "{model[1].strip() if model else "unknown"}, {os.cpu_count()} cores"',
        f'population = "{customers:,} synthetic customers, rules x customers an item: {shapes}"',
    ]
    by_write = (first["engine"] - wide["engine"]) / (first["writes"] - wide["writes"])
    for night in found.values():
        night["engine"] -= by_write * night["writes"]
    for name in ("engine", "relay", "database"):
        values = [max(0.0, value) for value in parts(found, name)]
        lines += ["", f"[{name}]"]
        labels = ("seconds_by_item", "seconds_by_customer", "seconds_by_customer_and_rule")
        lines += [f"{key} = {value:.7f}" for key, value in zip(labels, values, strict=True)]
    lines += [
        f"pages_by_customer = {PAGES_NIGHT_BY_NIGHT}",
        f"bytes_by_customer = {rows:.0f}",
    ]
    lines += [
        "",
        "[functions]",
        f"seconds_by_listed_page = {function_seconds['listing']:.6f}",
        f"seconds_by_cut_page = {function_seconds['cutting']:.6f}",
        f"seconds_by_item = {function_seconds['invoking']:.6f}",
        "",
        "[results]",
        f"seconds_by_write = {by_write:.7f}",
        f"bytes_by_item = {item_bytes:.0f}",
        f"writes_by_rule_on_a_first_night = {first['writes'] / rules:.4f}",
        f"writes_by_rule = {wide['writes'] / rules:.4f}",
        "",
        "[facts]",
        f"bytes_by_customer = {facts:.0f}",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000, help="5,000 at most")
    parser.add_argument("--nights", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuppence-bench-") as name:
        folder = Path(name)
        with Cloud(folder / "cloud", engine_count=1) as cloud:
            say("making and loading customers")
            store = folder / "store"
            until = DAY + datetime.timedelta(options.nights * len(SHAPES))
            tuppence("synth", "--store", store, "--customers", options.customers, "--until", until)
            tuppence("load", "--store", store, "--to", cloud.platform.database, *CONSENT)
            token = (cloud.platform.folder / "relay.token").read_text()
            today = parse_date(DAY.isoformat())
            assert today is not None
            customers = Relay(address(cloud.platform.relay), token).page("", today, 5_000)
            rulesets = S3Rulesets(client("s3"), cloud.name("data", "Rulesets"), "rulesets/")
            engine = HttpEngine(address(cloud.platform.engines[0]), cloud.platform.token)
            found, first, item_bytes = {}, {}, 0.0
            shipped = read_rules(ROOT / "catalogue", Schema()).usable()
            digests: list[str] = []
            for place, (step, together) in enumerate(SHAPES):
                ruleset = make_ruleset(shipped[::step])
                rules = len(ruleset.rules)
                digests.append(ruleset.digest)
                rulesets.put(ruleset)
                engine.refresh(ruleset.digest, serve=True)
                say(f"{len(customers):,} customers, {rules} rules, {together} an item")
                days = range(place * options.nights, (place + 1) * options.nights)
                begin, *later = nights(cloud, ruleset.digest, customers, together, days)
                if place == 0:
                    first = begin
                    item_bytes = statistics.mean(size(item) for item in scanned(cloud))
                found[rules, together] = {
                    key: statistics.median(night[key] for night in later) for key in begin
                }
            function_seconds = functions(cloud, digests[0])
            facts = facts_bytes(cloud, customers[:100])
            rows = database(cloud)[1] / len(customers)
    text = page(found, first, function_seconds, item_bytes, facts, rows, len(customers))
    TARGET.write_text(text, "utf-8")
    say(text)


if __name__ == "__main__":
    main()
