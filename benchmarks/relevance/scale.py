"""Measures a night of a million customers on one core: python -m benchmarks.relevance.scale."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

from tuppence.relevance.chances import chances  # noqa: E402
from tuppence.relevance.features import FEATURES, Insights  # noqa: E402
from tuppence.relevance.fitting import Shown, fit  # noqa: E402
from tuppence.relevance.ranking import Deck, keys, noise, ranked  # noqa: E402

CUSTOMERS, VIEWS, CARDS, RULES = 1_000_000, 290_000, 2_000_000, 71


def measured(what: str, run: Callable[[], Any]) -> Any:
    """Run a step, print its processor time, and return what it returns."""
    start = time.process_time()
    found = run()
    print(f"{what}: {time.process_time() - start:.2f} s", flush=True)
    return found


def feeds(random: np.random.Generator, many: int) -> Deck:
    """Return feeds of seven cards on average."""
    counts = np.clip(random.poisson(7, many), 1, 20)
    starts = np.concatenate([[0], np.cumsum(counts)])
    rule = random.integers(0, RULES, starts[-1])
    tier = np.where(rule < 5, 1, 2)
    points = random.integers(-400, -100, starts[-1])
    return Deck(starts, tier, rule // 2, tier == 1, points, rule)


def main() -> None:
    """Print the processor time of each step."""
    random = np.random.default_rng(1)
    for many, what in ((1_000, "once for the compiler"), (CUSTOMERS, f"{CUSTOMERS:,} customers")):
        deck = feeds(random, many)
        codes = np.repeat(np.arange(many, dtype=np.uint64), np.diff(deck.starts))
        rules = random.integers(0, 2**63, RULES).astype(np.uint64)[deck.rule]

        def rank(deck: Deck = deck, codes: Any = codes, rules: Any = rules) -> Any:
            return ranked(deck, keys(deck, 10, noise(1, 20_000, codes, rules)), 5)

        measured(f"rank {len(deck.rule):,} results of {what}", rank)
    looked = feeds(random, 1_000)
    chances(looked, 10, 5)
    looked = feeds(random, VIEWS)
    measured(f"chances of {VIEWS:,} views", lambda: chances(looked, 10, 5))
    insights = Insights(
        tuple(f"rule_{number:02}" for number in range(RULES)),
        tuple(f"kind_{number % 6}" for number in range(RULES)),
        tuple(f"topic_{number // 2}" for number in range(RULES)),
        np.zeros(RULES, bool),
    )
    for many in (1_000, CARDS):
        found = np.zeros((many, FEATURES), np.int64)
        found[:, 0] = random.integers(0, 10_000, many)
        found[:, 1] = random.integers(0, 6, many)
        found[:, 2] = random.integers(0, 5, many)
        found[:, 4:] = random.integers(-80, 80, (many, 4))
        columns = (random.integers(0, 60, many), random.integers(0, RULES, many))
        place = random.integers(0, 5, many)
        shown = Shown(np.arange(many) // 5, *columns, place, found, random.random(many) < 0.13)
        measured(f"fit to {many:,} cards", partial(fit, shown, insights))


if __name__ == "__main__":
    main()
