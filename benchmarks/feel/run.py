"""Measures our FEEL and other engines on the same rules in one run; writes RESULTS.md beside it.

Other engines are installed into build/bench; one that cannot be installed is reported and left out.
Rates are medians of five rounds, in which the engines take turns.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
ROUNDS = 5
SECONDS = 0.15
FEELIN = "feelin@8.2.0"

sys.path.insert(0, str(ROOT))
from benchmarks.feel.rules import RULES, facts  # noqa: E402 - benchmarks are not installed

Rates = dict[str, dict[str, Any]]


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command, and return its output as text."""
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)  # noqa: S603


def install() -> dict[str, list[str]]:
    """Return the command that starts each engine; engines that cannot be installed are left out."""
    script = str(HERE / "engine.py")
    engines = {name: [sys.executable, script, name] for name in ("ours", "ours, plain lists")}
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    python = str(BUILD / "venv/bin/python")
    try:
        if not Path(python).exists():
            run([uv, "venv", "--quiet", "--python", sys.executable, str(BUILD / "venv")])
        requirements = str(ROOT / "requirements/bench.txt")
        run([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", requirements])
        names = (
            "zen-engine",
            "common-expression-language",
            "rule-engine",
            "bkflow-feel",
            "pySFeel",
        )
        engines |= {name: [python, script, name] for name in names}
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"the other Python engines are left out: {error}")
    try:
        if not (BUILD / "node_modules/feelin").exists():
            run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(BUILD), FEELIN])
        engines["feelin"] = ["node", str(HERE / "feelin.mjs")]
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"feelin is left out: {error}")
    return engines


def measure(name: str, command: list[str]) -> Rates:
    """Measure one round of one engine."""
    if name == "feelin":
        given = json.dumps({"rules": {r.name: r.feel for r in RULES}, "facts": facts()})
        done = run([*command, str(SECONDS)], input=given, cwd=BUILD)
    else:
        done = run([*command, str(SECONDS)])
    found: Rates = json.loads(done.stdout)
    return found


def parsing() -> tuple[float, float]:
    """Return the seconds of checking 500 rules: their FEEL alone, and all with their messages."""
    from tuppence.facts.schema import Schema
    from tuppence.feel import check, parse
    from tuppence.feel.library import BUILTINS
    from tuppence.rules.checking import check_rule
    from tuppence.rules.domain import expand, load_definitions
    from tuppence.rules.files import read_rules

    rules = [checked.rule for checked in read_rules(ROOT / "catalogue", Schema()).rules]
    many = [rules[i % len(rules)] for i in range(500)]
    definitions, schema = load_definitions(), Schema()
    types = schema.names()

    def language() -> None:
        for rule in many:
            words = schema.words() | BUILTINS.keys() | definitions.keys() | rule.values.keys()
            for text in rule.expressions().values():
                check(expand(parse(text, words), definitions), types)

    def whole() -> None:
        for rule in many:
            check_rule(rule, schema, definitions)

    return median_seconds(language), median_seconds(whole)


def median_seconds(work: Callable[[], None]) -> float:
    """Return the median seconds of several rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure, and print and write the figures."""
    BUILD.mkdir(parents=True, exist_ok=True)
    engines = install()
    rounds: dict[str, list[Rates]] = {name: [] for name in engines}
    for number in range(ROUNDS):
        for name, command in engines.items():
            rounds[name].append(measure(name, command))
        print(f"round {number + 1} of {ROUNDS}")
    lines = [*table(rounds), "", *remarks()]
    text = "\n".join(lines) + "\n"
    print(text)
    (HERE / "RESULTS.md").write_text("# The rule language beside others\n\n" + text, "utf-8")


def seconds(rounds: list[Rates], rule: str) -> float:
    """Return the median seconds of one evaluation over the rounds."""
    return float(statistics.median(found[rule]["seconds"] for found in rounds))


def table(rounds: dict[str, list[Rates]]) -> list[str]:
    """Return a table with a row for each engine, over the rules that it answers as we do."""
    answers = {rule: found["answer"] for rule, found in rounds["ours"][0].items()}
    rows = [
        "| engine | can say | answered as ours | evaluations/s | ours on the same | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rounds.items():
        said = found[0]
        right = [r for r, f in said.items() if "seconds" in f and f["answer"] == answers[r]]
        if not right:
            rows.append(f"| {name} | {len(said)} | 0 | – | – | – |")
            continue
        rate = len(right) / sum(seconds(found, rule) for rule in right)
        own = len(right) / sum(seconds(rounds["ours"], rule) for rule in right)
        rows.append(
            f"| {name} | {len(said)} of {len(RULES)} | {len(right)} | {rate:,.0f} | {own:,.0f} "
            f"| {own / rate:,.1f} |"
        )
    return rows


def remarks() -> list[str]:
    """Return the remarks: the method, and the machine that was measured."""
    commit = run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT).stdout.strip()
    language, whole = parsing()
    made = f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"
    return [
        "Ten rules over one customer with 300 transactions, one core; `rules.py` has them in each",
        "engine's words. Facts are handed over as each engine wants them, rules are compiled once",
        "where the engine can do that. Ratio: how many times as fast ours is. The engines in Rust",
        "convert the facts at each call, which takes most of their time; ours has them ready, as a",
        "run has.",
        "",
        "The FEEL of 500 rules of the catalogue (about 2,000 expressions) parsed and checked:",
        f"{language:.2f} s; the rules as a whole, with their messages tried out: {whole:.2f} s.",
        "",
        f"Medians of {ROUNDS} rounds in one run; {made}, commit {commit}.",
    ]


if __name__ == "__main__":
    main()
