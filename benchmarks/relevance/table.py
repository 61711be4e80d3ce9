"""Prints what was measured as a table: python -m benchmarks.relevance.table.

Clicks are expected ones of the second half over those of rule order; a row has the worst of the
seeds that were run. How soon it is there shows the gap that is closed in the nights 21 to 27.
"""

import json
from typing import Any

import numpy as np
from benchmarks.relevance.run import BUILD
from benchmarks.relevance.world import HALF


def share(one: dict[str, Any], what: str, first: int, last: int | None = None) -> float:
    """Return clicks or dismissals a view in some nights."""
    return float(sum(one[what][first:last]) / sum(one["views"][first:last]))


def main() -> None:
    """Print a row for each world and policy."""
    found = json.loads((BUILD / "relevance.json").read_text("utf-8"))
    runs = {(one["world"], one["policy"], one["seed"]): one for one in found}
    print("| world | order | seeds | clicks | gap closed | nights 21 to 27 | dismissals | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    pairs = dict.fromkeys((world, policy) for world, policy, _ in runs)
    for world, policy in pairs:
        rows = []
        seeds = [seed for w, p, seed in runs if (w, p) == (world, policy)]
        for seed in seeds:
            own, rule = runs[world, policy, seed], runs.get((world, "rule order", seed))
            oracle = runs.get((world, "oracle", seed))
            if rule is None or oracle is None or policy == "rule order":
                continue
            base, best = (share(one, "expected", HALF) for one in (rule, oracle))
            gain = share(own, "expected", HALF) / base - 1
            first, most = (share(one, "expected", 20, 27) for one in (rule, oracle))
            soon = (share(own, "expected", 20, 27) - first) / (most - first)
            less = share(own, "dismissed", HALF) / share(rule, "dismissed", HALF) - 1
            rows.append((gain, gain * base / (best - base), soon, less, own["seconds"]))
        if rows:
            gain, gap, soon = np.array(rows)[:, :3].min(axis=0)
            less, seconds = np.array(rows)[:, 3:].max(axis=0)
            print(
                f"| {world} | {policy} | {len(rows)} | {gain:+.1%} | {gap:.0%} | {soon:.0%} "
                f"| {less:+.0%} | {seconds:.0f} |"
            )


if __name__ == "__main__":
    main()
