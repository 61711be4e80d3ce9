"""Measures whole nights, previews and growth of the shipped catalogue over a store."""

import functools
import re
import resource
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.columns.measuring import (
    CATALOGUE,
    FIRST_DAY,
    NEXT_DAY,
    THREADS,
    command,
    median,
    population,
    say,
)

PLAIN_RULE, STREAM_RULE = "eating_out_up", "bill_price_rise"


def nights(store: Path, rules: Path, rounds: int) -> dict[str, Any]:
    """Measure the command `tuppence run`: into an empty result store, and again the day after."""
    results = store / "results.sqlite"
    times: dict[str, list[float]] = {
        n: [] for n in ("first", "next", "first itself", "next itself")
    }
    for _ in range(rounds):
        for path in store.glob("results.sqlite*"):
            path.unlink()
        for name, day in (("first", FIRST_DAY), ("next", NEXT_DAY)):
            arguments = ("--store", str(store), "--rules", str(rules), "--as-of", day)
            whole, text = command("run", *arguments)
            times[name].append(whole)
            (itself,) = re.findall(r"^ seconds +([\d.]+)", text, re.MULTILINE)
            times[f"{name} itself"].append(float(itself))
            say(f"  {name} night {whole:.1f} s, {itself} s of it after the start")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    from tuppence.adapters.embedded.fact_store import FactStore

    facts = FactStore(store)
    return {name: statistics.median(t) for name, t in times.items()} | {
        "peak": peak,
        "results": results.stat().st_size,
        "facts": sum(path.stat().st_size for path in (store / "facts").glob("*/*")),
        "customers": sum(count for _, count in facts.partitions()),
        "transactions": facts.transaction_count,
        "rounds": rounds,
    }


def previews(store: Path, rounds: int) -> dict[str, float]:
    """Measure previews for all customers, with columns in memory and from the store: seconds."""
    from tuppence.bootstrap.store import open_store
    from tuppence.facts.permitted import PermittedFacts
    from tuppence.feel.values import parse_date
    from tuppence.rules.files import read_rules
    from tuppence.usecases.previewer import Previewer

    held, date = open_store(store), parse_date(NEXT_DAY)
    assert date is not None
    facts = PermittedFacts(held.facts(), {})
    found = {}
    for where, budget in (("memory", 1 << 40), ("store", 0)):
        previewer = Previewer(held, facts, date, THREADS, budget)
        for name in (PLAIN_RULE, STREAM_RULE):
            (rule,) = read_rules(CATALOGUE / f"{name}.yaml", facts.schema).rules
            work = functools.partial(previewer.preview, rule)
            found[f"{where} {name}"] = median(work, rounds)
    return found


def curves(store: Path) -> dict[str, list[tuple[int, float]]]:
    """Measure the catalogue on one core by number of customers, of rules and of transactions."""
    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.engine.columnar import Engine
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.files import read_rules
    from tuppence.rules.ruleset import make_ruleset

    date = parse_date(NEXT_DAY)
    assert date is not None
    facts = FactStore(store)
    rules = read_rules(CATALOGUE, facts.schema).usable()

    def measure(facts: Any, rules: Sequence[Any], customers: int) -> tuple[float, int]:
        engine = Engine(make_plan(make_ruleset(rules), date, facts.schema))
        batch = facts.read(facts.partitions()[0][0]).slice(0, customers)
        work: Callable[[], Any] = functools.partial(engine.evaluate, batch)
        return median(work), int(batch.transactions.offsets[-1])

    sizes = (500, 1000, 2500, 5000, 10_000)
    found = {"customers": [(n, measure(facts, rules, n)[0]) for n in sizes]}
    counts = (10, 20, 40, len(rules))
    found["rules (5,000 customers)"] = [(n, measure(facts, rules[:n], 5000)[0]) for n in counts]
    points = []
    for months in (2, 4, 7, 13, 25):
        seconds, rows = measure(FactStore(population(5000, months)), rules, 5000)
        points.append((rows // 5000, seconds))
    found["transactions a customer (5,000)"] = points
    return found
