"""Draw what was measured as an SVG: python benchmarks/relevance/plot.py RESULTS PICTURE."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

HALF, WEEK = 45, 7
COLOURS = {
    "random": "#adb5bd", "Beta-Thompson": "#f08c00", "LinUCB": "#9c36b5", "LightGBM": "#2b8a3e",
    "Vowpal Wabbit": "#c92a2a", "scorecard": "#0b7285", "oracle": "#495057",
}  # fmt: skip


def late(one: dict[str, Any]) -> float:
    """Return the expected clicks a view of the second half."""
    return float(sum(one["expected"][HALF:]) / sum(one["views"][HALF:]))


def gain_by_night(axes: Any, runs: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    """Draw the gain over rule order in the base world, as a mean of a week.

    It is that of the first seed.
    """
    seed = min(seed for world, seed, _ in runs if world == "base")
    rule = runs["base", seed, "rule order"]["expected"]
    for policy, colour in COLOURS.items():
        found = runs.get(("base", seed, policy))
        if found is None:
            continue
        nights = range(WEEK, len(rule) + 1)
        gain = [
            100 * (sum(found["expected"][n - WEEK : n]) / sum(rule[n - WEEK : n]) - 1)
            for n in nights
        ]
        width = 2.2 if policy == "scorecard" else 1.1
        axes.plot(nights, gain, color=colour, linewidth=width, label=policy)
    axes.axhline(0, color="#dee2e6", linewidth=0.8)
    axes.set_xlabel("night")
    axes.set_title("clicks over rule order, mean of a week, %", loc="left", fontsize=9)
    axes.set_ylim(bottom=-22)
    axes.legend(frameon=False, fontsize=7, loc="lower left", ncols=4)


def gaps(axes: Any, runs: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    """Draw the share of the gap to the oracle that is closed in each world, of the worst seed."""
    worlds = list(dict.fromkeys(world for world, *_ in runs))
    for row, world in enumerate(reversed(worlds)):
        several = [
            tuple(late(runs[world, seed, one]) for one in ("rule order", "scorecard", "oracle"))
            for name, seed, policy in runs
            if (name, policy) == (world, "scorecard")
        ]
        rule, card, oracle = min(several, key=lambda one: (one[1] - one[0]) / (one[2] - one[0]))
        axes.barh(row, 100 * (card - rule) / (oracle - rule), color=COLOURS["scorecard"])
        axes.text(2, row, f"+{100 * (card / rule - 1):.0f} %", va="center", color="w", fontsize=7)
    axes.set_yticks(range(len(worlds)), list(reversed(worlds)), fontsize=8)
    axes.axvline(60, color="#495057", linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 100)
    title = "share of the gap to the oracle, %, with the gain in clicks"
    axes.set_title(title, loc="left", fontsize=9)


def main() -> None:
    """Draw the picture."""
    mpl.rcParams["svg.hashsalt"] = "tuppence"
    found = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    runs = {(one["world"], one["seed"], one["policy"]): one for one in found}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    gain_by_night(left, runs)
    gaps(right, runs)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(sys.argv[2], metadata={"Date": None})


main()
