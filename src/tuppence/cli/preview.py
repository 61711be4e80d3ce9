"""The output of `tuppence rules preview`."""

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuppence.cli.output import console, table
from tuppence.engine.reference import HISTORY
from tuppence.feel.values import Date
from tuppence.rules.rule import Rule
from tuppence.usecases.preview_words import MAX_NAMED, effect_sentences, live_sentences
from tuppence.usecases.previewer import Preview

WIDTH = 50


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
    for reason in found.reasons[:MAX_NAMED]:
        if reason.code != HISTORY:
            where = f"{reason.place} of {reason.count:,} customers"
            out.print(f"Unknown in {where}: {reason.message} ({reason.code})", markup=False)
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
        for line in live_sentences(found.live):
            out.print(line, highlight=False)
    if found.compared is not None:
        versions = found.compared
        out.print(
            f"Beside the live version {versions.stay:,} stay, {versions.come:,} come, and "
            f"{versions.go:,} go.",
            highlight=False,
        )
    if found.effect is not None:
        for line in effect_sentences(found.effect, found.qualified):
            out.print(line, highlight=False)
    shared = [o for o in found.overlaps if o.both][:MAX_NAMED]
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
