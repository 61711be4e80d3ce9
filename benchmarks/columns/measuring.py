"""Clocks, commands and populations that the measurements of the columnar engine share."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent.parent
BUILD: Final = ROOT / "build" / "bench"
CATALOGUE: Final = ROOT / "catalogue"
ROUNDS: Final = 5
THREADS: Final = os.cpu_count() or 1
FIRST_DAY: Final = "2026-06-29"
NEXT_DAY: Final = "2026-06-30"
MONTHS: Final = 13


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


def population(customers: int, months: int = MONTHS) -> Path:
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
