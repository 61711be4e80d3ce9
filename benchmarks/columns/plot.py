"""Draw the curves of build/bench/columns.json as an SVG: python plot.py FILE PICTURE."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt


def main() -> None:
    """Draw a panel for each curve, in microseconds a customer, both axes from zero."""
    curves = json.loads(Path(sys.argv[1]).read_text("utf-8"))["curves"]
    mpl.rcParams["svg.hashsalt"] = "tuppence"
    figure, panels = plt.subplots(1, len(curves), figsize=(11, 3.2), layout="constrained")
    for panel, (name, points) in zip(panels, curves.items(), strict=True):
        x, y = [p[0] for p in points], [p[1] for p in points]
        panel.plot(x, y, "o-", color="#0b7285")
        straight = [y[0] + (y[-1] - y[0]) * (v - x[0]) / (x[-1] - x[0]) for v in x]
        panel.plot(x, straight, "--", color="#adb5bd", linewidth=1, label="a straight line")
        panel.set_xlabel(name)
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("seconds")
    figure.savefig(sys.argv[2], metadata={"Date": None})


main()
