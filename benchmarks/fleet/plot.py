"""Draw build/bench/scale.json as two SVGs: python plot.py FILE FOLDER."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

WAITING, ENGINES = "#adb5bd", "#0b7285"


def size(customers: str) -> str:
    """Describe a number of customers in words."""
    return f"{int(customers) // 1_000_000} million customers"


def durations(data: dict[str, Any], path: Path) -> None:
    """Draw how long a run takes in the environment as it is, and with its limits lifted."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    millions = [int(customers) / 1e6 for customers in data]
    for index, label, colour, marker in (
        (0, "as prod is", "#c92a2a", "o-"),
        (-1, "with limits lifted", ENGINES, "s-"),
    ):
        hours = [taken[index]["seconds"] / 3_600 for taken in data.values()]
        axes.plot(millions, hours, marker, color=colour, label=label)
    axes.axhline(4, color=WAITING, linestyle="--", linewidth=1)
    axes.text(millions[0], 4.2, "an alarm says that a run is late", fontsize=8, color="#495057")
    axes.set(xscale="log", yscale="log", xlabel="million customers", ylabel="hours")
    axes.set_xticks(millions, [f"{one:g}" for one in millions])
    axes.set_yticks([0.25, 1, 4, 8], ["¼", "1", "4", "8"])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def runs(data: dict[str, Any], path: Path) -> None:
    """Draw waiting items and engines over the minutes of each run."""
    figure, panels = plt.subplots(1, len(data), figsize=(11, 3.2), layout="constrained")
    for panel, (customers, taken) in zip(panels, data.items(), strict=True):
        moments = taken[-1]["moments"]
        minutes = [moment[0] for moment in moments]
        panel.fill_between(minutes, [m[1] / 1_000 for m in moments], color=WAITING, linewidth=0)
        panel.set_title(size(customers), fontsize=9, loc="left")
        panel.set_xlabel("minutes")
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
        right = panel.twinx()
        right.step(minutes, [m[3] for m in moments], color=ENGINES, where="post")
        right.set_ylim(bottom=0)
        right.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        for axes in (panel, right):
            axes.spines[["top"]].set_visible(False)
        right.tick_params(colors=ENGINES)
    panels[0].set_ylabel("thousand items that wait")
    right.set_ylabel("engines", color=ENGINES)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Draw both pictures."""
    mpl.rcParams["svg.hashsalt"] = "tuppence"
    data = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    folder = Path(sys.argv[2])
    durations(data, folder / "scale-hours.svg")
    runs(data, folder / "scale-runs.svg")


main()
