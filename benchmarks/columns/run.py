"""Measures the columnar engine: writes benchmarks/RESULTS.md and a picture of how it scales.

The population is made once, in build/bench: a million customers take a quarter of an hour and five
gigabytes. `--only PART` measures one part, and leaves the sections of the others as they are.
"""

import argparse
import concurrent.futures
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))
from benchmarks.columns import rules as made  # noqa: E402 - benchmarks are not installed
from benchmarks.columns.measuring import (  # noqa: E402
    BUILD,
    CATALOGUE,
    NEXT_DAY,
    ROUNDS,
    THREADS,
    machine,
    median,
    population,
    say,
)
from benchmarks.columns.nights import (  # noqa: E402
    PLAIN_RULE,
    STREAM_RULE,
    curves,
    nights,
    previews,
)

FEW_MONTHS = 5
"""Months of transactions for plain rules."""
LONG_ROUNDS = 3
"""Rounds of what takes minutes."""
MAX_CUSTOMERS = 100_000
"""Maximum number of customers whose facts are kept in memory, or given to other engines."""
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


def rule_files(count: int) -> Path:
    """Return a folder of plain rules."""
    folder = BUILD / f"rules-{count}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in made.files(count):
        (folder / name).write_bytes(data)
    return folder


def few(store: Path) -> tuple[Any, list[str]]:
    """Return facts, and the first partitions with not many more customers than `MAX_CUSTOMERS`."""
    from tuppence.adapters.embedded.fact_store import FactStore

    facts = FactStore(store)
    names: list[str] = []
    customers = 0
    for name, count in facts.partitions():
        if customers >= MAX_CUSTOMERS:
            break
        names.append(name)
        customers += count
    return facts, names


def in_columns(chosen: tuple[Any, list[str]]) -> dict[str, Any]:
    """Measure the kernel alone over facts in memory, and a loop that only reads them."""
    import numba
    import numpy as np

    from tuppence.engine.columnar import BoundPlan
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan

    (facts, names), date = chosen, parse_date(NEXT_DAY)
    assert date is not None
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


def others(chosen: tuple[Any, list[str]], seconds: float) -> list[dict[str, Any]]:
    """Measure ten rules over the same payments in other engines, from a file to counts."""
    import polars as pl

    from tuppence.engine.columnar import Engine
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.checking import check_rule
    from tuppence.rules.domain import load_definitions
    from tuppence.rules.rule import Message, Rule
    from tuppence.rules.ruleset import make_ruleset

    (facts, names), date = chosen, parse_date(NEXT_DAY)
    assert date is not None
    definitions = load_definitions()
    rules = [Rule(n, "tip", n, text, "1", Message("x", "x")) for n, text in TEN.items()]
    checked = [check_rule(rule, facts.schema, definitions)[0] for rule in rules]
    plan = make_plan(make_ruleset(checked), date, facts.schema)
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


def table(rows: Mapping[str, str]) -> str:
    """Return a table of two columns."""
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    )


def catalogue_section(found: dict[str, Any]) -> str:
    """Return the figures of the shipped catalogue."""
    night, shown = found["nights"], found["previews"]
    pairs = {
        where: " / ".join(f"{shown[f'{where} {rule}']:.2f} s" for rule in (PLAIN_RULE, STREAM_RULE))
        for where in ("memory", "store")
    }
    rows = {
        **night_rows(night),
        "preview of a plain rule / a rule on streams, columns in memory": pairs["memory"],
        "the same from the store": pairs["store"],
    }
    return f"All rules that are shipped; {people(night)}\n\n{table(rows)}"


def plain_section(found: dict[str, Any]) -> str:
    """Return the figures of whole nights of plain rules."""
    night = found["plain"]
    rules = "60 rules that only count and add up (`benchmarks/columns/rules.py`)"
    return f"{rules}; {people(night)}\n\n{table(night_rows(night))}"


def people(night: Mapping[str, Any]) -> str:
    """Return the population of some nights, and how often they were measured."""
    customers = f"{night['customers']:,} synthetic customers"
    transactions = f"{night['transactions']:,} transactions"
    return f"{customers}\nwith {transactions}. Medians of {night['rounds']} rounds."


def night_rows(night: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows of a table of whole nights."""
    return {
        "first night, from the fact store to results on disk": f"{night['first itself']:.1f} s",
        "the next night": f"{night['next itself']:.1f} s",
        "`tuppence run`, start and all": f"{night['first']:.1f} s, {night['next']:.1f} s",
        "its peak memory": f"{night['peak'] / 2**30:.2f} GiB",
        "facts on disk": f"{night['facts'] / 1e9:.2f} GB",
        "results on disk": f"{night['results'] / 1e6:,.0f} MB",
    }


def kernel_section(found: dict[str, Any]) -> str:
    """Return the figures of plain rules in the kernel."""
    kernel = found["kernel"]
    sixty, many = kernel["60"], kernel["500"]
    size = {name: f"{of['features']} features of {of['accumulators']} accumulators"
            for name, of in kernel.items() if name != "touch"}  # fmt: skip
    rules = (
        f"60 rules that only count and add up, over\n{size['60']}, or 500 rules over {size['500']}"
    )
    kept = f"{sixty['customers']:,} customers with {sixty['rows']:,} transactions in memory"
    where = "`benchmarks/columns/rules.py`"
    rows = {
        "kernel, 60 rules": f"{sixty['rate'] / 1e6:.1f} M evaluations/s",
        "kernel, 500 rules": f"{many['rate'] / 1e6:.1f} M evaluations/s",
        "kernel, 60 rules, beside a loop that only touches every column": (
            f"{sixty['seconds'] / kernel['touch']:.1f} ×"
        ),
        "pairs left to the reference, 60 rules": f"{100 * sixty['unsure']:.4f} %",
        "pairs left to the reference, 500 rules": f"{100 * many['unsure']:.4f} %",
        "500 rules read, checked, planned": f"{1000 * found['ready']['new']:.0f} ms",
        "the same, ten of them new": f"{1000 * found['ready']['known']:.0f} ms",
    }
    return f"{kept};\n{rules} ({where}).\nMedians of {ROUNDS} rounds.\n\n{table(rows)}"


def others_section(found: dict[str, Any]) -> str:
    """Return the figures of other engines."""
    lines = [
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
    return "\n".join(lines)


def curves_section(found: dict[str, Any]) -> str:
    """Return how the time of the catalogue grows, on one core."""
    lines = [
        "The shipped catalogue, on one core.",
        "",
        "![seconds by size](columns/scaling.svg)",
        "",
    ]
    for name, points in found["curves"].items():
        shown = ", ".join(f"{x:,}: {1000 * y:,.1f} ms" for x, y in points)
        lines.append(f"- {name}: {shown}")
    return "\n".join(lines)


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "catalogue": ("The shipped catalogue", catalogue_section),
    "plain": ("Nights of plain rules", plain_section),
    "kernel": ("Plain rules in the kernel", kernel_section),
    "others": ("Beside others", others_section),
    "curves": ("How it scales", curves_section),
}


def report(page: str, found: dict[str, Any], parts: Sequence[str], measured: str) -> str:
    """Return a page of results with the sections of some parts replaced."""
    kept = dict(re.findall(r"^## (.+?)\n\n(.*?)\n*(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for part in parts:
        title, section = SECTIONS[part]
        kept[title] = f"{section(found)}\n\nMeasured on {measured}."
    titles = [title for title, _ in SECTIONS.values() if title in kept]
    texts = [f"## {title}\n\n{kept[title]}" for title in titles]
    return "\n\n".join(["# The columnar engine, measured", *texts]) + "\n"


def main() -> None:
    """Measure everything, or one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="a population that is there already")
    parser.add_argument("--only", choices=SECTIONS, help="measure only this part")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    store = options.store or population(options.customers)
    found: dict[str, Any] = {}
    steps: dict[str, dict[str, Callable[[], Any]]] = {
        "catalogue": {
            "nights": lambda: nights(store, CATALOGUE, LONG_ROUNDS),
            "previews": lambda: previews(store, LONG_ROUNDS),
        },
        "plain": {
            "plain": lambda: nights(
                population(options.customers, FEW_MONTHS), rule_files(60), LONG_ROUNDS
            )
        },
        "kernel": {"kernel": lambda: in_columns(few(store)), "ready": ready},
        "others": {"others": lambda: others(few(store), 3.0)},
        "curves": {"curves": lambda: curves(store)},
    }
    parts = [part for part in steps if options.only in {None, part}]
    for part in parts:
        for name, step in steps[part].items():
            say(name)
            found[name] = step()
    (BUILD / "columns.json").write_text(json.dumps(found), "utf-8")
    path = HERE.parent / "RESULTS.md"
    page = report(path.read_text("utf-8"), found, parts, machine())
    print(page)
    path.write_text(page, "utf-8")
    if "curves" in found:
        arguments = [str(HERE / "plot.py"), str(BUILD / "columns.json"), str(HERE / "scaling.svg")]
        subprocess.run([str(BUILD / "venv/bin/python"), *arguments], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
