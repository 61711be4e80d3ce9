"""The command `tuppence feed`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuppence.bootstrap.local import open_store
from tuppence.bootstrap.store_feed import read_feed
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    FeedPolicy,
    Format,
    Purposes,
    Store,
    console,
    current_time,
    error_console,
    print_json,
)
from tuppence.feel.values import Date
from tuppence.results.result import json_value
from tuppence.usecases.build_feed import Feed
from tuppence.usecases.compare_feeds import (
    ABSENCES,
    Before,
    Change,
    FeedChanges,
    FeedEntry,
    entries_of,
)

MARKS: Final[Mapping[Change | None, str]] = {Change.CAME: "  new", Change.CHANGED: "  changed"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence feed C0000007 --store demo`")
    def feed(
        customer: Customer,
        store: Store,
        limit: Annotated[
            int | None,
            typer.Option(min=1, max=100, help="Maximum number of insights.", show_default="5"),
        ] = None,
        locale: Annotated[str, typer.Option(help="Format of money and dates.")] = "en_GB",
        policy: FeedPolicy = None,
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
        new: Annotated[
            bool,
            typer.Option("--new", help="Mark what came, changed and went since the run before."),
        ] = False,
    ) -> None:
        """Show a customer's insights as the customer sees them, most relevant first.

        What the customer has dismissed, snoozed or turned off is left out, see tuppence serve app.
        """
        found, changes = read_feed(
            open_store(store),
            customer,
            frozenset(purposes),
            policy,
            limit,
            current_time(),
            locale,
            compare=new,
        )
        entries = entries_of(found)
        reasons = [found.frozen] if found.frozen else []
        reasons += [f"left out: {reason}" for reason in found.left_out.values()]
        for line in reasons:
            error_console().print(line, markup=False, soft_wrap=True)
        if format_ is Format.JSON:
            listed = [_document(entry) for entry in entries]
            print_json(_compared(found, entries, changes) if new else listed)
        else:
            _print(found, entries, changes, new=new)


def _document(entry: FeedEntry) -> dict[str, Any]:
    kind, result, message, offer = entry
    return {
        "rule_id": result.rule_id,
        "kind": kind,
        "score": result.score,
        "title": message.title,
        "body": message.body,
        "since": str(Date(result.since)),
        "offer": offer,
    }


def _compared(
    found: Feed, shown: Sequence[FeedEntry], changes: FeedChanges | None
) -> dict[str, Any]:
    """Return a feed for JSON, with the differences to the feed after the run before."""
    marks = [(None, None)] * len(shown) if changes is None else changes.entries
    entries = [
        _document(entry) | {"change": change, "before": before and _before(before)}
        for entry, (change, before) in zip(shown, marks, strict=True)
    ]
    gone = [
        {"rule_id": one.rule_id, "title": one.message.title, "reason": one.reason}
        for one in (changes.gone if changes else ())
    ]
    compared_with = str(changes.since) if changes else None
    return {
        "as_of": str(found.as_of),
        "compared_with": compared_with,
        "entries": entries,
        "gone": gone,
    }


def _before(before: Before) -> dict[str, Any]:
    message = before.message
    values = {name: json_value(value) for name, value in before.values.items()}
    return {"title": message.title, "body": message.body, "values": values}


def _print(
    found: Feed, entries: Sequence[FeedEntry], changes: FeedChanges | None, *, new: bool
) -> None:
    out = console()
    out.print(f"[bold]{escape(found.customer)}[/] on {found.as_of}", highlight=False)
    if changes is not None:
        out.print(f"compared with the run before, of {changes.since}", highlight=False)
    elif new:
        out.print("There is no run before the last one to compare with.")
    if not entries:
        out.print("Nothing to show today.")
    marks = [(None, None)] * len(entries) if changes is None else changes.entries
    for (_, result, message, offer), (change, before) in zip(entries, marks, strict=True):
        score = "–" if result.score is None else f"{result.score:.0f}"
        mark = MARKS.get(change, "")
        out.print(
            Text.assemble((f"\n{score:>3}  ", "cyan"), (message.title, "bold"), (mark, "green"))
        )
        out.print(Padding(Text(message.body), (0, 0, 0, 5)))
        if change is Change.CHANGED and before is not None:
            was = (
                before.message.title if before.message.body == message.body else before.message.body
            )
            out.print(Padding(Text(f"before: {was}", "dim"), (0, 0, 0, 5)))
        if offer is not None:
            out.print(Padding(Text(f"{offer.partner}: {offer.terms}", "dim"), (0, 0, 0, 5)))
        out.print(Padding(Text(result.rule_id, "dim"), (0, 0, 0, 5)))
    if changes is not None and changes.gone:
        out.print("\nNo longer shown:")
        for gone in changes.gone:
            out.print(Text(f"  {gone.message.title}: {ABSENCES[gone.reason]}"))
