"""The command `tuppence feed`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuppence.bootstrap.address import open_any_store
from tuppence.bootstrap.store_feed import read_feed
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    FeedPolicy,
    Format,
    FormatOption,
    Purposes,
    StoreOrAddress,
    console,
    current_time,
    error_console,
    print_json,
)
from tuppence.feel.values import Date
from tuppence.results.result import json_value
from tuppence.usecases.build_feed import Feed, FeedItem
from tuppence.usecases.compare_feeds import ABSENCES, Before, Change, FeedChanges

MARKS: Final[Mapping[Change | None, str]] = {Change.CAME: "  new", Change.CHANGED: "  changed"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence feed C0000007 --store demo`")
    def feed(
        customer: Customer,
        store: StoreOrAddress,
        limit: Annotated[
            int | None,
            typer.Option(min=1, max=100, help="Maximum number of insights.", show_default="5"),
        ] = None,
        locale: Annotated[str, typer.Option(help="Format of money and dates.")] = "en_GB",
        policy: FeedPolicy = None,
        format_: FormatOption = Format.TABLE,
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
            open_any_store(store),
            customer,
            frozenset(purposes),
            policy,
            limit,
            current_time(),
            locale,
            compare=new,
        )
        reasons = [found.frozen] if found.frozen else []
        reasons += [f"left out: {reason}" for reason in found.left_out.values()]
        for line in reasons:
            error_console().print(line, markup=False, soft_wrap=True)
        if format_ is Format.JSON:
            print_json(_compared(found, changes) if new else [*map(_document, found.items)])
        else:
            _print(found, changes, new=new)


def _document(item: FeedItem) -> dict[str, Any]:
    (candidate, message) = item
    rule, result = candidate.rule, candidate.result
    return {
        "rule_id": rule.id,
        "kind": rule.kind,
        "score": result.score,
        "title": message.title,
        "body": message.body,
        "since": str(Date(result.since)),
        "offer": rule.offer,
    }


def _compared(found: Feed, changes: FeedChanges | None) -> dict[str, Any]:
    """Return a feed for JSON, with the differences to the feed after the run before."""
    entries = [
        _document(item) | {"change": change, "before": before and _before(before)}
        for item, (change, before) in zip(found.items, _marks(found, changes), strict=True)
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


def _marks(
    found: Feed, changes: FeedChanges | None
) -> Sequence[tuple[Change | None, Before | None]]:
    return [(None, None)] * len(found.items) if changes is None else changes.entries


def _print(found: Feed, changes: FeedChanges | None, *, new: bool) -> None:
    out = console()
    out.print(f"[bold]{escape(found.customer)}[/] on {found.as_of}", highlight=False)
    if changes is not None:
        out.print(f"compared with the run before, of {changes.since}", highlight=False)
    elif new:
        out.print("There is no run before the last one to compare with.")
    if not found.items:
        out.print("Nothing to show today.")
    marks = _marks(found, changes)
    for (candidate, message), (change, before) in zip(found.items, marks, strict=True):
        score = "–" if candidate.result.score is None else f"{candidate.result.score:.0f}"
        mark = MARKS.get(change, "")
        out.print(
            Text.assemble((f"\n{score:>3}  ", "cyan"), (message.title, "bold"), (mark, "green"))
        )
        out.print(Padding(Text(message.body), (0, 0, 0, 5)))
        if change is Change.CHANGED and before is not None:
            out.print(Padding(Text(f"before: {before.wording(message)}", "dim"), (0, 0, 0, 5)))
        offer = candidate.rule.offer
        if offer is not None:
            out.print(Padding(Text(f"{offer.partner}: {offer.terms}", "dim"), (0, 0, 0, 5)))
        out.print(Padding(Text(candidate.rule.id, "dim"), (0, 0, 0, 5)))
    if changes is not None and changes.gone:
        out.print("\nNo longer shown:")
        for gone in changes.gone:
            out.print(Text(f"  {gone.message.title}: {ABSENCES[gone.reason]}"))
