"""Measures the columnar engine: writes benchmarks/RESULTS.md and a picture of how it scales.

The population is made once, in build/bench/population: a million customers take a few minutes and
two gigabytes. Figures are medians of five rounds, all of one run; compare the ratios.
"""

import argparse
import concurrent.futures
import functools
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
ROUNDS = 5
THREADS = os.cpu_count() or 1
FIRST_DAY, NEXT_DAY = "2026-06-29", "2026-06-30"

sys.path.insert(0, str(ROOT))
from benchmarks.columns import rules as made  # noqa: E402 - benchmarks are not installed

ONE_BY_ONE = ("polars", "duckdb", "python", "zen", "cel", "rule_engine")
TEN = {
    "bills": 'count(payments[category = "energy" and booking date > today() - @"P365D"]) >= 3',
    "spent": 'sum(payments[category = "groceries" and booking date > today() - @"P30D"].amount)'
    " > 100",
    "largest": 'max(payments[booking date > today() - @"P90D"].amount) > 200',
    "small": 'count(payments[type = "card" and amount < 10 and booking date > today() - @"P7D"])'
    " >= 2",
    "rise": 'sum(payments[category = "eating out" and booking date > today() - @"P30D"].amount)'
    ' > 1.25 * sum(payments[category = "eating out" and booking date > today() - @"P120D"].amount)'
    " / 4",
    "any": "some p in payments satisfies p.amount > 490",
    "habit": 'count(payments[merchant = "Bean Yard"]) > 5',
    "last": "payments[-1].amount > 20",
    "fare": 'min(payments[category = "transport"].amount) < 5 and count(payments) > 100',
    "cash": 'sum(payments[type = "cash"].amount) > 0.25 * sum(payments.amount)',
}


def median(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the median seconds of several rounds of work, after one round to warm up."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def say(text: str) -> None:
    """Print a line of progress, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def command(*arguments: str) -> tuple[float, str]:
    """Run a command of this project; return its seconds, start-up included, and its output."""
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tuppence", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return time.perf_counter() - began, done.stdout


def population(customers: int, months: int = 5) -> Path:
    """Return a store of synthetic customers, which is made unless it exists."""
    store = BUILD / f"population-{customers}-{months}"
    if not (store / "complete").exists():
        shutil.rmtree(store, ignore_errors=True)
        say(f"making {customers:,} customers, {months} months")
        command(
            "synth", "--store", str(store), "--customers", str(customers), "--months", str(months)
        )
        (store / "complete").touch()
    return store


def rule_files(count: int) -> Path:
    """Return a folder of rules."""
    folder = BUILD / f"rules-{count}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in made.files(count):
        (folder / name).write_bytes(data)
    return folder


def end_to_end(store: Path, rounds: int) -> dict[str, Any]:
    """Measure the command `tuppence run`: into an empty result store, and again the day after."""
    folder, results = rule_files(60), store / "results.sqlite"
    times: dict[str, list[float]] = {
        n: [] for n in ("first", "next", "first itself", "next itself")
    }
    for _ in range(rounds):
        for path in store.glob("results.sqlite*"):
            path.unlink()
        for name, day in (("first", FIRST_DAY), ("next", NEXT_DAY)):
            arguments = ("--store", str(store), "--rules", str(folder), "--as-of", day)
            whole, text = command("run", *arguments)
            times[name].append(whole)
            (itself,) = re.findall(r"^ seconds +([\d.]+)", text, re.MULTILINE)
            times[f"{name} itself"].append(float(itself))
            say(f"  {name} run {whole:.1f} s, {itself} s of it after the start")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    found: dict[str, Any] = {name: statistics.median(t) for name, t in times.items()}
    return found | {"peak": peak, "size": results.stat().st_size}


def in_columns(store: Path, partitions: int) -> dict[str, Any]:
    """Measure the kernel alone over facts in memory, and a loop that only reads them."""
    import numba
    import numpy as np

    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.engine.columnar import BoundPlan
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan

    facts, date = FactStore(store), parse_date(NEXT_DAY)
    assert date is not None
    names = [name for name, _ in facts.partitions()][:partitions]
    found: dict[str, Any] = {}
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def touch_all(columns: Any) -> int:
        total = 0
        for column in columns:
            for i in range(len(column)):
                total += column[i]
        return total

    touch = numba.njit(nogil=True)(touch_all)
    for count in (60, 500):
        plan = make_plan(made.ruleset(count), date, facts.schema)
        fields = plan.transaction_fields
        batches = [facts.read(name, fields) for name in names]
        prepared = [BoundPlan(plan.columns, batch) for batch in batches]
        customers = sum(map(len, batches))
        rows = sum(int(batch.transactions.offsets[-1]) for batch in batches)

        def work(prepared: Sequence[Any] = prepared, batches: Sequence[Any] = batches) -> list[Any]:
            jobs = zip(prepared, batches, strict=True)
            return list(pool.map(lambda job: job[0].run(0, len(job[1])), jobs))

        seconds = median(work)
        unsure = np.mean([(part.states == 4).mean() for part in work()])
        found[str(count)] = {
            "seconds": seconds,
            "rate": customers * count / seconds,
            "customers": customers,
            "rows": rows,
            "features": len(plan.columns.features),
            "accumulators": sum(len(table.accumulators) for table in plan.columns.tables),
            "unsure": float(unsure),
        }
        if count == 60:
            columns = [
                [c.values.view(np.int32) if c.values.dtype == np.uint32 else c.values
                 for c in batch.transactions.columns.values()] for batch in batches
            ]  # fmt: skip
            by_type = [
                tuple(c for c in part if c.dtype == kind)
                for part in columns
                for kind in (np.dtype(np.int32), np.dtype(np.int64), np.dtype(bool))
            ]
            asked = [part for part in by_type if part]

            def touch_all_parts(asked: Sequence[Any] = asked) -> list[int]:
                return list(pool.map(touch, asked))

            found["touch"] = median(touch_all_parts)
        say(f"  {count} rules: {found[str(count)]['rate'] / 1e6:.1f} M evaluations/s")
    return found


def ready(measure: Callable[[Callable[[], Any]], float] = median) -> dict[str, float]:
    """Measure loading a ruleset of 500 rules from the store: reading, checking, planning."""
    from tuppence.facts.schema import Schema
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.ruleset import make_ruleset, read_ruleset

    date = parse_date(NEXT_DAY)
    assert date is not None
    ruleset, schema = made.ruleset(500), Schema()
    content = make_ruleset(made.ruleset(510).rules[10:]).content
    before = make_plan(ruleset, date, schema)
    return {
        "new": measure(lambda: make_plan(read_ruleset(content, schema), date, schema)),
        "known": measure(
            lambda: make_plan(read_ruleset(content, schema, ruleset), date, schema, before)
        ),
    }


def preview(store: Path) -> dict[str, float]:
    """Measure the preview of one rule for all customers, with facts in memory and in the store."""
    from tuppence.bootstrap.local import open_store
    from tuppence.facts.permitted import PermittedFacts
    from tuppence.feel.values import parse_date
    from tuppence.rules.files import read_rules
    from tuppence.usecases.previewer import Previewer

    held, date = open_store(store), parse_date(NEXT_DAY)
    assert date is not None
    facts = PermittedFacts(held.facts(), {})
    (rule,) = read_rules(ROOT / "catalogue/eating_out_up.yaml", facts.schema).rules
    found = {}
    for name, budget in (("memory", 1 << 40), ("store", 0)):
        previewer = Previewer(held, facts, date, THREADS, budget)
        found[name] = median(functools.partial(previewer.preview, rule))
    return found


def curves(store: Path) -> dict[str, list[tuple[int, float]]]:
    """Measure one kernel thread by number of customers, of rules and of transactions."""
    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.engine.columnar import BoundPlan
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan

    date = parse_date(NEXT_DAY)
    assert date is not None
    found: dict[str, list[tuple[int, float]]] = {}

    def measure(facts: Any, count: int, customers: int) -> tuple[float, int]:
        plan = make_plan(made.ruleset(count), date, facts.schema)
        batch = facts.read(facts.partitions()[0][0], plan.transaction_fields)
        prepared = BoundPlan(plan.columns, batch)
        rows = int(batch.transactions.offsets[customers])
        return median(lambda: prepared.run(0, customers)), rows

    facts = FactStore(store)
    sizes = (500, 1000, 2500, 5000, 10_000)
    found["customers (60 rules)"] = [(n, measure(facts, 60, n)[0]) for n in sizes]
    counts = (20, 60, 120, 250, 500)
    found["rules (5,000 customers)"] = [(n, measure(facts, n, 5000)[0]) for n in counts]
    points = []
    for months in (1, 3, 6, 12):
        seconds, rows = measure(FactStore(population(5000, months)), 60, 5000)
        points.append((rows // 5000, seconds))
    found["transactions a customer"] = points
    return found


def others(store: Path, partitions: int, seconds: float) -> list[dict[str, Any]]:
    """Measure ten rules over the same payments in other engines, from a file to counts."""
    import polars as pl

    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.engine.columnar import Engine
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.checking import check_rule
    from tuppence.rules.domain import load_definitions
    from tuppence.rules.rule import Message, Rule
    from tuppence.rules.ruleset import make_ruleset

    facts, date = FactStore(store), parse_date(NEXT_DAY)
    assert date is not None
    definitions = load_definitions()
    rules = [Rule(n, "tip", n, text, "1", Message("x", "x")) for n, text in TEN.items()]
    checked = [check_rule(rule, facts.schema, definitions)[0] for rule in rules]
    plan = make_plan(make_ruleset(checked), date, facts.schema)
    names = [name for name, _ in facts.partitions()][:partitions]
    path = BUILD / "payments.parquet"
    frames = []
    for name in names:
        batch = facts.read(name)
        columns = batch.transactions.columns
        texts = {
            n: pl.Series([*columns[n].dictionary], dtype=pl.String).gather(columns[n].values)
            for n in ("category", "merchant", "type")
        }
        customer = pl.Series(batch.customer_ids).gather(
            pl.Series(range(len(batch))).repeat_by(
                pl.Series(batch.transactions.offsets).diff().drop_nulls()
            ).explode()
        )  # fmt: skip
        frame = pl.DataFrame({"customer": customer, "day": columns["booking date"].values,
                              "amount": columns["amount"].values / 100.0, **texts,
                              "own": columns["own transfer"].values}).filter(
            (pl.col("amount") < 0) & ~pl.col("own").cast(pl.Boolean)
        ).with_columns(amount=-pl.col("amount")).drop("own")  # fmt: skip
        frames.append(frame)
    pl.concat(frames).write_parquet(path)
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def ours(plan: Any) -> Any:
        engine = Engine(plan)

        def work(name: str) -> Any:
            return engine.grid(facts.read(name, plan.transaction_fields)).states

        return list(pool.map(work, names))

    texts_of = {rule.id: rule.when for rule in made.rules(60) if "receipts[" not in rule.when}
    (BUILD / "conditions.json").write_text(json.dumps(texts_of), "utf-8")
    plans = {
        "ten": plan,
        "many": make_plan(
            make_ruleset(
                check_rule(msgspec.structs.replace(r, minimum_history_days=0), facts.schema,
                           definitions)[0]
                for r in made.rules(60) if r.id in texts_of
            ),
            date, facts.schema,
        ),
    }  # fmt: skip
    engines = {
        **{name: [name, str(path), str(seconds)] for name in ONE_BY_ONE},
        "polars, many rules": ["polars-many", str(path), str(BUILD / "conditions.json")],
    }
    python = BUILD / "venv/bin/python"
    rounds: dict[str, list[dict[str, Any]]] = {}
    own: dict[str, list[float]] = {"ten": [], "many": []}
    states = {name: ours(one) for name, one in plans.items()}
    for number in range(ROUNDS):
        for name, one in plans.items():
            began = time.perf_counter()
            ours(one)
            own[name].append(time.perf_counter() - began)
        for name, arguments in engines.items():
            done = subprocess.run(  # noqa: S603
                [str(python), str(HERE / "same.py"), *arguments], capture_output=True, check=True
            )
            rounds.setdefault(name, []).append(json.loads(done.stdout))
        say(f"  other engines, round {number + 1}")
    rows = []
    for which, one in plans.items():
        ids = [checked.rule.id for checked in one.ruleset.rules]
        total = sum(state.shape[1] for state in states[which])
        best = len(ids) * total / statistics.median(own[which])
        rows.append({"engine": "ours", "rules": len(ids), "customers": total, "rate": best,
                     "agree": len(ids), "ratio": 1.0})  # fmt: skip
        for name, found in rounds.items():
            if ("many" in name) != (which == "many"):
                continue
            first = found[0]
            rate = statistics.median(
                len(f["counts"]) * f["customers"] / f["seconds"] for f in found
            )
            agree = sum(
                _qualified(states[which], ids.index(rule), first["customers"]) == count
                for rule, count in first["counts"].items()
            )
            rows.append({"engine": name.partition(",")[0], "rules": len(first["counts"]),
                         "customers": first["customers"], "rate": rate, "agree": agree,
                         "ratio": best / rate})  # fmt: skip
    return rows


def _qualified(states: Sequence[Any], rule: int, customers: int) -> int:
    """Return how many of the first customers qualify."""
    found = 0
    for part in states:
        found += int((part[rule, :customers] == 1).sum())
        customers -= part.shape[1]
        if customers <= 0:
            break
    return found


def machine() -> str:
    """Describe the machine, the versions and the commit that were measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    import numba
    import numpy as np
    import polars as pl

    versions = f"numpy {np.__version__}, numba {numba.__version__}, polars {pl.__version__}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {THREADS} cores; {python}, {versions}; commit {commit}"


def report(found: dict[str, Any]) -> str:
    """Return the figures as a Markdown page."""
    run, kernel = found["run"], found["kernel"]
    sixty, many = kernel["60"], kernel["500"]
    ratio = sixty["seconds"] / kernel["touch"]
    customers, rows = found["customers"], found["transactions"]
    lines = [
        "# The columnar engine, measured",
        "",
        f"{customers:,} synthetic customers with {rows:,} transactions; 60 rules over",
        f"{sixty['features']} features of {sixty['accumulators']} accumulators, or 500 rules over",
        f"{many['features']} of {many['accumulators']} (`benchmarks/columns/rules.py`).",
        f"Medians of {ROUNDS} rounds in one run. {found['machine']}.",
        "",
        "| | |",
        "|---|---|",
        f"| first run, from the fact store to results on disk | {run['first itself']:.1f} s |",
        f"| the run of the next day | {run['next itself']:.1f} s |",
        f"| `tuppence run`, start and all | {run['first']:.1f} s, {run['next']:.1f} s |",
        f"| its peak memory | {run['peak'] / 2**30:.2f} GiB |",
        f"| results on disk | {run['size'] / 1e6:,.0f} MB |",
        f"| kernel, 60 rules | {sixty['rate'] / 1e6:.1f} M evaluations/s |",
        f"| kernel, 500 rules | {many['rate'] / 1e6:.1f} M evaluations/s |",
        f"| kernel, 60 rules, beside a loop that only touches every column | {ratio:.1f} × |",
        f"| pairs left to the reference, 60 rules | {100 * sixty['unsure']:.4f} % |",
        f"| pairs left to the reference, 500 rules | {100 * many['unsure']:.4f} % |",
        f"| 500 rules read, checked, planned | {1000 * found['ready']['new']:.0f} ms |",
        f"| the same, ten of them new | {1000 * found['ready']['known']:.0f} ms |",
        f"| preview of one rule, facts in memory | {found['preview']['memory']:.2f} s |",
        f"| preview of one rule, from the store | {found['preview']['store']:.2f} s |",
        "",
        "## Beside others",
        "",
        "Ten rules over the payments of some customers, from files to counts (`same.py`), and then",
        "those of the 60 that speak of payments only. Ours works out scores and values, too. Ours,",
        "Polars and DuckDB use all cores, the others one; those are given their facts as lists of",
        "dicts, which is not counted. Agree: rules that qualify as many customers as ours.",
        "",
        "| engine | rules | agree | customers | evaluations/s | ours is faster by |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {o['engine']} | {o['rules']} | {o['agree']} | {o['customers']:,} | {o['rate']:,.0f} "
        f"| {o['ratio']:,.1f} × |"
        for o in found["others"]
    ]
    lines += ["", "## How it scales", "", "![seconds by size](columns/scaling.svg)", ""]
    for name, points in found["curves"].items():
        shown = ", ".join(f"{x:,}: {1000 * y:,.1f} ms" for x, y in points)
        lines.append(f"- {name}: {shown}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything."""
    from tuppence.adapters.embedded.fact_store import FactStore

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="a population that is there already")
    parser.add_argument("--only", help="measure only this part, and keep the other figures")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    store = options.store or population(options.customers)
    facts = FactStore(store)
    partitions = min(10, len(facts.partitions()))
    before = BUILD / "columns.json"
    kept = json.loads(before.read_text("utf-8")) if options.only else {}
    found: dict[str, Any] = kept | {
        "customers": sum(count for _, count in facts.partitions()),
        "transactions": facts.transaction_count,
        "machine": machine(),
    }
    steps: dict[str, Callable[[], Any]] = {
        "run": lambda: end_to_end(store, ROUNDS),
        "kernel": lambda: in_columns(store, partitions),
        "ready": ready,
        "others": lambda: others(store, partitions, 3.0),
        "curves": lambda: curves(store),
        "preview": lambda: preview(store),
    }
    for name, step in steps.items():
        if options.only not in {None, name}:
            continue
        say(name)
        found[name] = step()
        (BUILD / "columns.json").write_text(json.dumps(found), "utf-8")
    page = report(found)
    print(page)
    (HERE.parent / "RESULTS.md").write_text(page, "utf-8")
    arguments = [str(HERE / "plot.py"), str(BUILD / "columns.json"), str(HERE / "scaling.svg")]
    subprocess.run([str(BUILD / "venv/bin/python"), *arguments], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
