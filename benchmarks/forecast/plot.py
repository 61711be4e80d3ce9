"""Draw build/bench/forecast.json as an SVG: python plot.py FILE PICTURE."""

import datetime
import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.dates import DateFormatter, MonthLocator

BALANCE, BAND = "#495057", "#0b7285"


def date(day: int) -> datetime.date:
    """Return the date of a number of days since 1970-01-01."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(day)


def main() -> None:
    """Draw the picture."""
    mpl.rcParams["svg.hashsalt"] = "tuppence"
    data = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for number, (day, now, end, low, middle, high) in enumerate(data["fans"]):
        label = "four of five outcomes" if number == 0 else None
        corners = [date(day), date(end), date(end)]
        pounds = [value / 100 for value in (now, low, high)]
        axes.fill(corners, pounds, color=BAND, alpha=0.18, linewidth=0, label=label)
        label = "the forecast" if number == 0 else None
        axes.plot(
            [date(day), date(end)], [now / 100, middle / 100], color=BAND, linewidth=1, label=label
        )
    days = [date(day) for day, _ in data["line"]]
    axes.step(days, [held / 100 for _, held in data["line"]], color=BALANCE, where="post",
              linewidth=1.2, label="the balance")  # fmt: skip
    axes.axhline(0, color="#adb5bd", linewidth=0.8)
    axes.xaxis.set_major_locator(MonthLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%B"))
    axes.yaxis.set_major_formatter("£{x:,.0f}")
    axes.margins(x=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside upper left")
    figure.savefig(sys.argv[2], metadata={"Date": None})


main()
