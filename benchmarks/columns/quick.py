"""Measures the shipped catalogue with 20,000 customers, in three minutes or less.

It prints the figures and writes them to build/bench/quick.json; `--before FILE` shows what changed
since another run. Figures are the least of three rounds, and medians of three for previews in
memory; compare the ratios.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from benchmarks.columns import rules as made
from benchmarks.columns.measuring import (
    BUILD,
    CATALOGUE,
    MONTHS,
    NEXT_DAY,
    THREADS,
    population,
    say,
)
from benchmarks.columns.nights import PLAIN_RULE, STREAM_RULE, previews
from benchmarks.columns.run import ready

QUICK_CUSTOMERS, QUICK_ROUNDS = 20_000, 3
REQUESTS, TOGETHER = 512, 64
"""Number of requests with facts, and of those that an engine evaluates together."""
WATCH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(process.returncode)
"""
"""Runs a command from a small process: its peak begins with the size of the one that starts it."""


def cpu(work: Callable[[], Any], rounds: int = QUICK_ROUNDS) -> float:
    """Return the least processor seconds, of all threads, of several rounds of work."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def command_cpu(*arguments: str) -> tuple[float, float]:
    """Return the least processor seconds of a command, start-up included, and its peak in MiB."""
    found = []
    for _ in range(QUICK_ROUNDS):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", WATCH, sys.executable, "-m", "tuppence", *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds, peak = done.stdout.split()
        found.append((float(seconds), float(peak)))
    return min(found)


def nights(store: Path) -> dict[str, float]:
    """Measure a night of the catalogue, and a night of its rules without streams."""
    from tuppence.bootstrap.nights import night_dependencies
    from tuppence.bootstrap.store import open_store
    from tuppence.facts.consent import PURPOSES, Use
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import PlannedRule
    from tuppence.rules.files import read_rules
    from tuppence.rules.ruleset import make_ruleset
    from tuppence.usecases.run_night import run_night

    held, date = open_store(store), parse_date(NEXT_DAY)
    assert date is not None
    rules = read_rules(CATALOGUE, held.schema).usable()
    plain = [one for one in rules if not PlannedRule(one, date).reads_streams]
    use = Use(PURPOSES, date.day, date.day)

    def night(chosen: Sequence[Any]) -> None:
        for path in store.glob("results.sqlite*"):
            path.unlink()
        run_night(
            night_dependencies(held, use), make_ruleset(chosen), date, THREADS, lambda _: None
        )

    night(rules)  # compiles what is not compiled yet
    return {"plain": cpu(lambda: night(plain)), "catalogue": cpu(lambda: night(rules))}


def own_dictionaries(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns with dictionaries of their own, as requests and the relay bring them."""
    import numpy as np

    from tuppence.facts.schema import FieldType

    found = dict(columns)
    for name, column in columns.items():
        if column.kind is FieldType.TEXT:
            used = np.union1d(column.values, [0])
            codes = np.searchsorted(used, column.values).astype(np.uint32)
            texts = tuple(column.dictionary[code] for code in used.tolist())
            found[name] = dataclasses.replace(column, values=codes, dictionary=texts)
    return found


def as_requested(batch: Any) -> Any:
    """Return a slice of a batch as a request would bring it."""
    tables = {
        name: dataclasses.replace(table, columns=own_dictionaries(table.columns))
        for name, table in (("accounts", batch.accounts), ("transactions", batch.transactions))
    }
    return dataclasses.replace(batch, customers=own_dictionaries(batch.customers), **tables)


def alone(store: Path) -> dict[str, float]:
    """Measure the catalogue for one customer at a time, and for 25: seconds a customer."""
    from tuppence.adapters.embedded.fact_store import FactStore
    from tuppence.engine.columnar import Engine
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.files import read_rules
    from tuppence.rules.ruleset import make_ruleset

    facts, date = FactStore(store), parse_date(NEXT_DAY)
    assert date is not None
    rules = read_rules(CATALOGUE, facts.schema).usable()
    engine = Engine(make_plan(make_ruleset(rules), date, facts.schema))
    batch = facts.read(facts.partitions()[0][0], engine.plan.transaction_fields)
    found = {}
    for size in (1, 25):
        starts = range(0, 4 * 25, size)
        slices = [as_requested(batch.slice(start, start + size)) for start in starts]

        def work(slices: Sequence[Any] = slices) -> None:
            for part in slices:
                engine.evaluate(part)

        work()
        found[str(size)] = cpu(work) / 100
    return found


def requested(store: Path) -> dict[str, float]:
    """Measure what an engine does for requests with facts, without HTTP: seconds a request."""
    import msgspec
    from benchmarks.services.run import bodies

    from tuppence.engine.columnar import Engine
    from tuppence.facts.schema import Schema
    from tuppence.feel.values import parse_date
    from tuppence.plan.plan import make_plan
    from tuppence.rules.files import read_rules
    from tuppence.rules.ruleset import make_ruleset
    from tuppence.services.bodies import decoded
    from tuppence.services.rules_engine.messages import evaluations_type
    from tuppence.usecases.serving.answering import evaluate_submitted
    from tuppence.usecases.serving.messages import Request

    schema, date = Schema(), parse_date(NEXT_DAY)
    assert date is not None
    decoder = msgspec.json.Decoder(evaluations_type(schema))
    given = [text.encode() for text in bodies(store, REQUESTS)]
    rulesets = {
        "60 plain rules": made.ruleset(60),
        "the catalogue": make_ruleset(read_rules(CATALOGUE, schema).usable()),
    }
    found = {}
    for name, ruleset in rulesets.items():
        engine = Engine(make_plan(ruleset, date, schema))

        def work(engine: Engine = engine) -> None:
            for start in range(0, len(given), TOGETHER):
                read = [decoded(body, decoder) for body in given[start : start + TOGETHER]]
                requests = [Request((), tuple(one.facts)) for one in read]
                evaluate_submitted(engine, requests, schema)

        work()
        found[name] = cpu(work) / len(given)
    return found


def interpreted(store: Path) -> float:
    """Measure the interpreter on a rule that does not fit columns: seconds a customer."""
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
    rule = Rule("odd", "tip", "odd", 'string(count(payments)) = "1"', "1", Message("x", "x"))
    checked, _ = check_rule(rule, facts.schema, load_definitions())
    engine = Engine(make_plan(make_ruleset([checked]), date, facts.schema))
    batch = facts.read(facts.partitions()[0][0]).slice(0, 100)
    pairs = [(customer, 0) for customer in range(100)]
    engine.interpret(batch, pairs)
    return cpu(lambda: engine.interpret(batch, pairs)) / 100


def quick(store: Path) -> dict[str, float]:
    """Measure the shipped catalogue, and return the figures by what they are."""
    from tuppence.adapters.embedded.fact_store import FactStore

    facts = FactStore(store)
    rows, customers = facts.transaction_count, sum(count for _, count in facts.partitions())
    size = sum(path.stat().st_size for path in (store / "facts").glob("*/*"))
    say("nights")
    night = nights(store)
    say("single customers")
    one = alone(store)
    say("requests")
    asked = requested(store)
    say("previews")
    kept = previews(store, QUICK_ROUNDS)
    say("commands")
    who = ("C0000007", "--store", str(store))
    files = {name: str(CATALOGUE / f"{name}.yaml") for name in (PLAIN_RULE, STREAM_RULE)}
    commands = {
        "tuppence --help": ("--help",),
        "tuppence feed": ("feed", *who),
        "tuppence explain": ("explain", who[0], "bank_fees", *who[1:]),
        "tuppence rules test catalogue": ("rules", "test", str(CATALOGUE)),
        "preview at the command line, a plain rule": (
            "rules", "preview", files[PLAIN_RULE], *who[1:],
        ),
        "preview at the command line, a rule on streams": (
            "rules", "preview", files[STREAM_RULE], *who[1:],
        ),
    }  # fmt: skip
    measured = {name: command_cpu(*arguments) for name, arguments in commands.items()}
    say("500 rules")
    streams = night["catalogue"] - night["plain"]
    return {
        "night of the catalogue / night of its plain rules (CPU)": night["catalogue"]
        / night["plain"],
        "streams and forecasts, a transaction (ns, CPU)": 1e9 * streams / rows,
        "plain rules, a transaction (ns, CPU)": 1e9 * night["plain"] / rows,
        "facts on disk, a transaction (bytes)": size / rows,
        "catalogue, one customer alone (ms, CPU)": 1000 * one["1"],
        "catalogue, a customer of 25 (ms, CPU)": 1000 * one["25"],
        **{
            f"a request with facts, {rules} (us, CPU)": 1e6 * seconds
            for rules, seconds in asked.items()
        },
        "a rule that does not fit columns, a customer (ms, CPU)": 1000 * interpreted(store),
        "preview in memory, a plain rule, 1,000 customers (ms)": 1e6
        * kept[f"memory {PLAIN_RULE}"]
        / customers,
        "preview in memory, a rule on streams, 1,000 customers (ms)": 1e6
        * kept[f"memory {STREAM_RULE}"]
        / customers,
        **{f"{name} (s, CPU)": seconds for name, (seconds, _) in measured.items()},
        **{f"{name} (MiB)": measured[name][1] for name in ("tuppence feed", "tuppence explain")},
        "500 rules read, checked, planned (s, CPU)": ready(cpu)["new"],
    }


def quick_table(found: dict[str, float], before: dict[str, float]) -> str:
    """Return the figures as a Markdown table, with the change since an earlier run."""
    lines = ["| figure | now | before | change |", "|---|---|---|---|"]
    for name, value in found.items():
        was = before.get(name)
        change = f"{100 * (value / was - 1):+.0f} %" if was else ""
        lines.append(f"| {name} | {value:.4g} | {f'{was:.4g}' if was else ''} | {change} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the figures, and keep them for the next time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="a population that is there already")
    parser.add_argument("--before", type=Path, help="figures of another run")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    figures = quick(options.store or population(QUICK_CUSTOMERS, MONTHS))
    before = json.loads(options.before.read_text("utf-8")) if options.before else {}
    (BUILD / "quick.json").write_text(json.dumps(figures, indent=1), "utf-8")
    print(quick_table(figures, before))


if __name__ == "__main__":
    main()
