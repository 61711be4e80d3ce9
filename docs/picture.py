"""Draw the README's pictures: a feed with an explanation, and the speed of several engines.

`python -m docs.picture` makes a population, runs the catalogue and draws what the commands print.
The speeds are those of benchmarks/RESULTS.md.
"""

import html
import json
import math
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
CUSTOMER: Final = "C0000001"
RULE: Final = "groceries_up"
AS_OF: Final = "2026-06-30"
SHOWN_ROWS: Final = 6
NAMES: Final = {
    "ours": "Tuppence",
    "polars": "Polars",
    "duckdb": "DuckDB (SQL)",
    "python": "plain Python",
    "zen": "ZEN",
    "cel": "CEL",
    "rule_engine": "rule-engine",
}
STYLE: Final = """
  <style>
    text { font-family: Helvetica, Arial, sans-serif; font-size: 14px; fill: #1b2a41 }
    .mono { font-family: Menlo, Consolas, monospace; font-size: 12px; fill: #33475b }
    .head { font-size: 17px; font-weight: bold }
    .title { font-weight: bold }
    .note { font-size: 12.5px; fill: #5b6b80 }
    .score { font-weight: bold; fill: #0b7285 }
    .true { font-weight: bold; fill: #2b8a3e }
    .right { text-anchor: end }
  </style>"""


def answers() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the feed of a synthetic customer, and the explanation of one of its insights."""
    with tempfile.TemporaryDirectory() as folder:

        def tuppence(*arguments: str) -> str:
            command = [sys.executable, "-m", "tuppence", *arguments, "--store", "demo"]
            return subprocess.check_output(command, cwd=folder, text=True)  # noqa: S603 - ours

        tuppence("synth", "--customers", "100", "--seed", "1")
        tuppence("run", "--rules", "catalogue", "--as-of", AS_OF)
        feed = tuppence("feed", CUSTOMER, "--format", "json")
        explanation = tuppence("explain", CUSTOMER, RULE, "--format", "json")
    return json.loads(feed), json.loads(explanation)


class Column:
    """A column of text in an SVG, from top to bottom."""

    def __init__(self, left: int, top: int) -> None:
        self.left, self.y = left, top
        self.parts: list[str] = []

    def say(self, text: str, style: str = "", *, indent: int = 0, height: int = 19) -> None:
        """Write a line, and move down to the next one."""
        self.at(text, style, indent)
        self.y += height

    def at(self, text: str, style: str = "", indent: int = 0) -> None:
        """Write text on the current line."""
        x = self.left + indent
        shown = html.escape(text, quote=False)
        self.parts.append(
            f'  <text x="{x}" y="{self.y}" class="{style}" xml:space="preserve">{shown}</text>'
        )


def drawing(width: int, height: int, label: str, parts: list[str]) -> str:
    """Return an SVG document."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"  <title>{html.escape(label)}</title>{STYLE}",
            f'  <rect width="{width}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def feed_picture(feed: list[dict[str, Any]], explanation: dict[str, Any]) -> str:
    """Return the picture of a feed and of the explanation of one of its insights."""
    left = Column(32, 48)
    left.say("What a customer sees", "head", height=34)
    top = bottom = 0
    for entry in feed:
        if entry["rule_id"] == RULE:
            top = left.y
        left.at(f"{float(entry['score']):.0f}", "score")
        left.say(entry["title"], "title", indent=34)
        for line in textwrap.wrap(entry["body"], 50):
            left.say(line, "note", indent=34, height=17)
        if entry["rule_id"] == RULE:
            bottom = left.y + 14
        left.y += 15
    right = Column(520, 48)
    right.say("Why: each number down to its transactions", "head", height=34)
    _explain(right, explanation)
    height = max(left.y, right.y) + 12
    panel = f'height="{height - 28}" rx="10" fill="#f8fafc" stroke="#ced6e0"/>'
    stroke = 'stroke="#0b7285" stroke-width="2" fill="none"/>'
    frames = [
        f'  <rect x="14" y="14" width="450" {panel}',
        f'  <rect x="500" y="14" width="476" {panel}',
        f'  <rect x="22" y="{top - 21}" width="434" height="{bottom - top}" fill="#e3f2f5"/>',
        f'  <path d="M456,{top + 6} H498" {stroke}',
        f'  <path d="M490,{top + 1} L498,{top + 6} L490,{top + 11}" {stroke}',
    ]
    label = "A feed of five insights, and the explanation of one of them"
    return drawing(990, height, label, [*frames, *left.parts, *right.parts])


def _explain(column: Column, explanation: dict[str, Any]) -> None:
    column.say(f"{RULE}: {explanation['state'].replace('_', ' ')}", "title", height=24)
    for clause in explanation["clauses"]:
        column.at(clause["value"], "true")
        for line in textwrap.wrap(clause["text"], 56):
            column.say(line, "mono", indent=44, height=16)
        column.y += 6
    column.y += 6
    for name, value in explanation["values"].items():
        column.at(f"{name} = {value}", "title")
        column.say("", height=20)
    selection = explanation["selections"][0]
    rows = selection["rows"]
    column.y += 6
    total = sum(float(row["amount"]) for row in rows)
    column.say(f"{len(rows)} payments make {total:.2f}:", "note", height=20)
    for row in rows[-SHOWN_ROWS:]:
        column.at(row["booking date"], "mono")
        column.at(row["amount"], "mono right", 150)
        column.say(row["text"], "mono", indent=172, height=17)
    if len(rows) > SHOWN_ROWS:
        column.say(f"and {len(rows) - SHOWN_ROWS} before", "note")


def measured() -> Iterator[tuple[str, float]]:
    """Yield each engine with its evaluations a second, over the ten rules that all can express."""
    text = (ROOT / "benchmarks/RESULTS.md").read_text("utf-8")
    seen = set()
    for engine, speed in re.findall(
        r"^\| (\w+) \| \d+ \| \d+ \| [\d,]+ \| ([\d,]+) \|", text, re.MULTILINE
    ):
        if engine not in seen:
            seen.add(engine)
            yield NAMES[engine], float(speed.replace(",", ""))


def speed_picture(speeds: list[tuple[str, float]]) -> str:
    """Return bars of evaluations a second, on a logarithmic scale."""
    left, width, top = 130, 560, 58
    lowest, highest = 1, 7  # powers of ten
    parts = ['  <text x="20" y="28" class="head">Evaluations a second, ten simple rules</text>']

    def x(speed: float) -> float:
        return left + width * (math.log10(speed) - lowest) / (highest - lowest)

    bottom = top + 28 * len(speeds)
    for power in range(lowest, highest + 1):
        here = x(10**power)
        parts.append(f'  <path d="M{here:.1f},{top - 8} V{bottom}" stroke="#e3e8ee"/>')
        parts.append(
            f'  <text x="{here:.1f}" y="{bottom + 18}" class="note" text-anchor="middle">'
            f"{10**power:,}</text>"
        )
    for row, (name, speed) in enumerate(speeds):
        y = top + 28 * row
        colour = "#0b7285" if name == NAMES["ours"] else "#adb5bd"
        parts.append(f'  <text x="{left - 10}" y="{y + 14}" class="right">{name}</text>')
        parts.append(
            f'  <rect x="{left}" y="{y}" width="{x(speed) - left:.1f}" height="19" '
            f'fill="{colour}"/>'
        )
        parts.append(
            f'  <text x="{x(speed) + 8:.1f}" y="{y + 14}" class="note">{speed:,.0f}</text>'
        )
    parts.append(
        f'  <text x="20" y="{bottom + 42}" class="note">Two cores; each step of the scale is ten '
        "times as many. Tuppence, Polars and DuckDB use both cores, the others one.</text>"
    )
    return drawing(760, bottom + 56, "Evaluations a second, beside other engines", parts)


def main() -> None:
    """Draw both pictures."""
    speeds = speed_picture(list(measured()))
    (ROOT / "docs/speed.svg").write_text(speeds, "utf-8")
    (ROOT / "docs/feed.svg").write_text(feed_picture(*answers()), "utf-8")


if __name__ == "__main__":
    main()
