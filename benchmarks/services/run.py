"""Measures the services: writes benchmarks/services/RESULTS.md.

The population of a hundred million transactions takes ten minutes to make and to load, and thirty
gigabytes in the system's folder for temporary files.
"""

import argparse
import asyncio
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import nanoarrow
import polars as pl
import psycopg

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
ROUNDS = 5
DAY = "2026-06-30"

sys.path.insert(0, str(ROOT))
from benchmarks.columns import rules as made  # noqa: E402 - neither is installed
from local.load import saturate  # noqa: E402
from local.servers import Server, free_port  # noqa: E402
from local.stack import TUPPENCE, Platform, address  # noqa: E402

from tuppence.adapters.embedded.fact_store import FactStore  # noqa: E402
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory  # noqa: E402
from tuppence.adapters.postgres.connection import connect_columns  # noqa: E402
from tuppence.adapters.postgres.facts import tables  # noqa: E402
from tuppence.facts.consent import PURPOSES, Use  # noqa: E402
from tuppence.feel.values import parse_date  # noqa: E402


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def tuppence(*arguments: object) -> str:
    """Run a command, and return its output."""
    done = subprocess.run(  # noqa: S603
        [*TUPPENCE, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work takes once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shares(times: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    ordered = sorted(times)
    return {
        "p50": 1000 * statistics.median(ordered),
        "p99": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
    }


def database(platform: Platform, store: Path) -> dict[str, Any]:
    """Measure loading, dumping, and reading one customer's rows straight from the server."""
    rows = FactStore(store).transaction_count
    consent = ("--consent-from", "2026-01-01", "--consent-until", "2099-01-01")
    load = ("load", "--store", store, "--to", platform.database, *consent)
    found: dict[str, Any] = {"rows": rows, "load": timed(lambda: tuppence(*load))}
    say(f"  loaded {rows / found['load']:,.0f} transactions/s")
    with psycopg.connect(platform.database, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    found["size"] = size[0] if size else 0
    connection_ = connect_columns(platform.database)
    date, times = parse_date(DAY), []
    assert date is not None
    use = Use(PURPOSES, date.day, date.day)
    for customer in drawn(store, 2_000):
        began = time.perf_counter()
        for reader in tables(connection_, [customer], use):
            reader.read_all()
        times.append(time.perf_counter() - began)
    connection_.close()
    return found | shares(times)


def drawn(store: Path, count: int) -> list[str]:
    """Return customers of a store, drawn at random with repetition."""
    facts = FactStore(store)
    ids = [row for name, _ in facts.partitions() for row in facts.read(name, []).customer_ids]
    return random.Random(7).choices(ids, k=count)  # noqa: S311 - repeatable


def relay(platform: Platform, store: Path) -> dict[str, Any]:
    """Measure rows a second to one client, and one customer's facts at 100 requests a second."""
    token = (platform.folder / "relay.token").read_text()
    headers = {"Authorization": f"Bearer {token}"}
    client = httpx2.Client(base_url=address(platform.relay), headers=headers, timeout=120)
    customers = sorted(set(drawn(store, 5_000)))[:1_000]
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = client.post("/v1/facts", json={"as_of": DAY, "customers": customers})
        assert answer.status_code == 200, answer.text
        source = io.BytesIO(answer.content)
        frames = [pl.DataFrame(nanoarrow.ArrayStream.from_readable(source)) for _ in range(3)]
        rates.append(frames[2].height / (time.perf_counter() - began))
    times = []
    start = time.perf_counter()
    for number, customer in enumerate(drawn(store, 1_500)):
        time.sleep(max(0.0, start + number / 100 - time.perf_counter()))
        began = time.perf_counter()
        answer = client.post("/v1/facts", json={"as_of": DAY, "customers": [customer]})
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return {"rate": statistics.median(rates), **shares(times)}


def engine(platform: Platform, store: Path, folder: Path) -> dict[str, Any]:
    """Measure an engine on one core with 60 rules, with facts in the request and from the relay."""
    ruleset = made.ruleset(60)
    rulesets = RulesetDirectory(folder / "rulesets")
    rulesets.put(ruleset)
    rulesets.publish(ruleset.digest)
    port = free_port()
    pin = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    command: list[str | Path] = [
        *pin,
        *TUPPENCE,
        *("serve", "rules-engine", "--relay", address(platform.relay)),
        *("--relay-token", platform.folder / "relay.token", "--rulesets", folder / "rulesets"),
        *("--results", folder / "results.sqlite", "--port", str(port)),
        *("--callers", platform.folder / "engine.callers"),
    ]
    found: dict[str, Any] = {}
    (folder / "log").touch()
    given = bodies(store)
    found["bytes"] = statistics.mean(map(len, given))
    kept = [
        json.dumps({"run_id": "bench", "as_of": DAY, "customers": [customer]})
        for customer in drawn(store, 5_000)
    ]
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) > 1 else {0})  # off the engine's core
    with Server(command, port, folder / "log"):
        for name, sent in (("given", given), ("kept", kept)):
            for connections in (1, 64, 256):
                rounds = []
                for _ in range(ROUNDS + 1):
                    run = saturate(port, "/v1/evaluations", platform.token, sent, connections, 3.0)
                    rounds.append(asyncio.run(run))
                rate = statistics.median(len(times) / 3.0 for times in rounds[1:])
                found[f"{name} {connections}"] = {"rate": rate} | shares(
                    [seconds for times in rounds[1:] for seconds in times]
                )
                say(f"  {name}, {connections} connections: {rate:,.0f} requests/s")
    return found


def bodies(store: Path, most: int = 5_000) -> list[str]:
    """Return requests with the facts of one customer each, limited to the last 180 transactions."""
    facts = FactStore(store)
    name = facts.partitions()[0][0]
    batch = facts.read(name)
    made_: list[str] = []
    for number in range(min(len(batch), most)):
        one = batch.slice(number, number + 1)
        rows = int(one.transactions.offsets[-1])
        last = (max(0, rows - 180), rows)
        columns = {n: c.slice(*last) for n, c in one.transactions.columns.items()}
        texts = {
            n: [c.dictionary[code] for code in c.values.tolist()]
            for n, c in columns.items()
            if n in {"category", "merchant", "type", "account"}
        }
        days = columns["booking date"].values.astype("datetime64[D]").astype(str).tolist()
        given = {
            "customer": {"currency": "GBP"},
            "accounts": {
                n: [c.dictionary[code] for code in c.values.tolist()]
                for n, c in one.accounts.columns.items()
                if n in {"id", "type"}
            },
            "transactions": {
                "booking date": days,
                "amount": columns["amount"].values.tolist(),
                "own transfer": columns["own transfer"].values.astype(bool).tolist(),
                **texts,
            },
        }
        made_.append(json.dumps({"run_id": "bench", "as_of": DAY, "facts": [given]}))
    return made_


def report(found: dict[str, Any]) -> str:
    """Return the figures as a Markdown page."""
    base, wire, one = found["database"], found["relay"], found["engine"]
    rows, customers = base["rows"], found["customers"]
    facts = [
        ("`tuppence load --to`, start and all", f"{rows / base['load']:,.0f} transactions/s"),
        ("`tuppence load --from`, start and all", f"{found['dump']:,.0f} transactions/s"),
        ("one customer from the database", f"{base['p50']:.1f} ms, p99 {base['p99']:.1f} ms"),
        ("relay, 1,000 customers at a time", f"{wire['rate'] / 1e6:.2f} M transactions/s"),
        (
            "relay, one customer, 100 requests/s",
            f"{wire['p50']:.1f} ms, p99 {wire['p99']:.1f} ms",
        ),
    ]
    lines = [
        "# The services, measured",
        "",
        f"PostgreSQL {found['version']} with its durable settings, relay, engine and client on one",
        f"machine of {os.cpu_count()} cores; {rows:,} transactions of {customers:,} customers",
        f"({base['size'] / 1e9:.1f} GB). Medians of {ROUNDS} rounds.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in facts),
        "",
        "One engine on one core, 60 rules, requests about one customer each. Facts in the request",
        f"are 180 transactions, {one['bytes'] / 1000:.0f} kB of JSON. Facts from the relay are not",
        "cached anywhere, and results are kept; database and relay share the other core.",
        "",
        "| facts | connections | requests/s | median | p99 |",
        "|---|---|---|---|---|",
    ]
    for name, text in (("given", "in the request"), ("kept", "from the relay")):
        for connections in (1, 64, 256):
            f = one[f"{name} {connections}"]
            times = f"{f['p50']:.1f} ms | {f['p99']:.1f} ms"
            lines.append(f"| {text} | {connections} | {f['rate']:,.0f} | {times} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=200_000)
    options = parser.parse_args()
    store = BUILD / f"services-{options.customers}"
    if not (store / "facts" / "manifest.json").exists():
        say("making the population")
        tuppence("synth", "--store", store, "--customers", options.customers)
    found: dict[str, Any] = {"customers": options.customers}
    with tempfile.TemporaryDirectory(prefix="tuppence-bench-") as name:
        folder = Path(name)
        with Platform(folder / "services", 1) as platform:
            with psycopg.connect(platform.database) as connection:
                found["version"] = connection.info.server_version // 10_000
            say("database")
            found["database"] = database(platform, store)
            say("relay")
            found["relay"] = relay(platform, store)
            platform.engines[0].stop()
            say("engine")
            found["engine"] = engine(platform, store, folder)
            say("back into a store")
            back = timed(
                lambda: tuppence("load", "--from", platform.database, "--store", folder / "back")
            )
            found["dump"] = found["database"]["rows"] / back
    (HERE / "RESULTS.md").write_text(report(found), "utf-8")
    say(report(found))


if __name__ == "__main__":
    main()
