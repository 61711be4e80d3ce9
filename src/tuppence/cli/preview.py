"""The output of `tuppence rules preview`."""

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuppence.cli.output import console, table
from tuppence.feel.values import Date
from tuppence.rules.rule import Rule
from tuppence.usecases.feed_effect import FeedEffect
from tuppence.usecases.previewer import Difference, LiveResults, Preview

WIDTH = 50
MAX_OVERLAPS = 8


def draw(found: Preview, rule: Rule, as_of: Date) -> None:
    """Print a preview."""
    out = console()
    out.print(f"[bold]{rule.id}[/] as of {as_of}: {escape(rule.title)}", highlight=False)
    if not found.columns:
        out.print("It does not fit columns: tuppence plan says why, and that it will be slow.")
    if not found.customers:
        out.print(
            "No customer may be evaluated: there are none, or no consent of theirs holds. "
            "tuppence consent list shows the consents of a customer."
        )
        return
    others = found.customers - found.qualified - found.unknown
    rows = [("qualify", found.qualified), ("do not", others), ("unknown", found.unknown)]
    out.print(_bars([(name, count, _share(count, found.customers)) for name, count in rows]))
    if rule.minimum_history_days:
        out.print(
            f"It needs {rule.minimum_history_days} days of history, and is unknown for "
            f"{found.short_history:,} customers who have less.",
            highlight=False,
        )
    if found.qualified:
        out.print("Scores of those who qualify:")
        scores = [
            (f"{low * 10}\u2013{low * 10 + 10}", count, _share(count, found.qualified))
            for low, count in enumerate(found.scores)
        ]
        if found.without_score:
            missing = (found.without_score, _share(found.without_score, found.qualified))
            scores.append(("none", *missing))
        out.print(_bars(scores))
    if found.live is not None:
        for line in _live(found.live):
            out.print(line, highlight=False)
    if found.compared is not None:
        versions = found.compared
        out.print(
            f"Beside the live version {versions.stay:,} stay, {versions.come:,} come, and "
            f"{versions.go:,} go.",
            highlight=False,
        )
    if found.effect is not None:
        for line in _effect(found.effect, found.qualified):
            out.print(line, highlight=False)
    shared = [o for o in found.overlaps if o.both][:MAX_OVERLAPS]
    if shared:
        out.print("Who qualifies for it qualifies also for:")
        lines = [
            (o.rule_id, f"{o.both:,}", _share(o.both, found.qualified), _share(o.both, o.other))
            for o in shared
        ]
        columns = ("rule", "customers", "of this rule's", "of that rule's")
        out.print(table(columns, lines, columns[1:]))
    if found.examples:
        out.print(f"Among them: {', '.join(found.examples)}", highlight=False, markup=False)


def _live(live: LiveResults) -> Iterator[str]:
    """Yield notes on the results of live rules."""
    of = f"The results of live rules are of {live.as_of}"
    if Difference.DAY in live.differences:
        yield f"{of}, another day: --as-of {live.as_of} previews the rule on that day."
    if Difference.FACTS in live.differences:
        yield f"{of}, over other facts or consents than those of now: tuppence run makes new ones."
    if Difference.UNFINISHED in live.differences:
        yield f"{of}, by a run that has not finished: some are older. tuppence run continues it."
    if live.without:
        who = "1 customer has" if live.without == 1 else f"{live.without:,} customers have"
        yield f"{who} no such results, and {'is' if live.without == 1 else 'are'} not compared."


def _effect(effect: FeedEffect, qualified: int) -> Iterator[str]:
    """Yield the changes of the first insights of feeds."""
    shown = sum(effect.places)
    first = f", {effect.places[0]:,} of them in first place" if shown else ""
    yield (
        f"Of the {qualified:,} who qualify, {shown:,} would see it among the first "
        f"{effect.length} insights of their feed{first}."
    )
    if effect.before:
        yield f"The live version is there now for {effect.before:,}."
    if effect.displaced:
        yield f"It takes the place of {_named(effect.displaced)}."
    if effect.promoted:
        yield f"Its live version makes room for {_named(effect.promoted)}."


def _named(counts: Sequence[tuple[str, int]]) -> str:
    shown = [f"{name} ({count:,})" for name, count in counts[:MAX_OVERLAPS]]
    more = len(counts) - MAX_OVERLAPS
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "\u2013"


def _bars(rows: list[tuple[str, int, str]]) -> Table:
    most = max((count for _, count, _ in rows), default=0) or 1
    made = Table(box=None, show_header=False, pad_edge=False)
    for side in ("left", "right", "right", "left"):
        made.add_column(justify="right" if side == "right" else "left")
    for name, count, share in rows:
        length = round(8 * WIDTH * count / most)
        bar = "\u2588" * (length // 8) + ("" if not length % 8 else chr(0x2590 - length % 8))
        made.add_row(name, f"{count:,}", share, Text(bar, "cyan"))
    return made
