"""Draws forecasts beside the actual balance: docs/explanation/forecast.svg.

    python benchmarks/forecast/run.py

It shows one synthetic account over half a year: its balance by day, and the forecast band until pay
day as of every Monday.
"""

import json
import subprocess
from pathlib import Path

import numpy as np

from tuppence.bankdata.synthetic import population
from tuppence.derived.forecasts import forecasts
from tuppence.derived.streams import find_streams
from tuppence.facts.batch import NULL_MONEY
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, days_from_civil

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build/bench"
LAST = days_from_civil(2026, 6, 30)
FIRST = days_from_civil(2026, 1, 1)
CUSTOMERS, SEED, CUSTOMER, EVERY = 100, 11, 26, 7


def main() -> None:
    """Compute the forecasts, then draw them with the packages of the benchmarks."""
    ((_, rows),) = population(CUSTOMERS, SEED, Date(LAST), 18)
    whole = batch_from(ordered(coded(rows.tables(), Schema())), Schema())
    batch = whole.slice(CUSTOMER, CUSTOMER + 1)
    table = batch.transactions.columns
    own = batch.account_rows()[table["account"].values] == 0
    days, held = table["booking date"].values[own], table["balance"].values[own]

    def balance(day: int) -> int:
        return int(held[np.searchsorted(days, day, side="right") - 1])

    fans = []
    for day in range(FIRST + 4, LAST - 20, EVERY):
        balances = np.full(len(batch.accounts.columns["id"].values), NULL_MONEY, np.int64)
        balances[0] = balance(day)
        found = forecasts(find_streams(batch, Date(day)), batch, balances, Date(day))
        names = ("forecast low", "forecast", "forecast high")
        ends = [int(found[name].values[0]) for name in names]
        fans.append([day, balances[0].item(), int(found["pay day"].values[0]) - 1, *ends])
    line = [[day, balance(day)] for day in range(FIRST, LAST + 1)]
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "forecast.json").write_text(json.dumps({"line": line, "fans": fans}))
    python = BUILD / "venv/bin/python"  # it has matplotlib
    picture = ROOT / "docs/explanation/forecast.svg"
    subprocess.run([python, HERE / "plot.py", BUILD / "forecast.json", picture], check=True)  # noqa: S603


main()
