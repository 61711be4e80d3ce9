"""The command `tuppence feed`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuppence.bootstrap.local import open_store, read_feed
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
    ) -> None:
        """Show a customer's insights as the customer sees them, most relevant first.

        What the customer has dismissed, snoozed or turned off is left out, see tuppence serve app.
        """
        found = read_feed(
            open_store(store), customer, frozenset(purposes), policy, limit, current_time(), locale
        )
        reasons = [found.frozen] if found.frozen else []
        reasons += [f"left out: {reason}" for reason in found.left_out]
        for line in reasons:
            error_console().print(line, markup=False, soft_wrap=True)
        if format_ is Format.JSON:
            print_json(
                [
                    {
                        "rule_id": one.rule.id,
                        "item": str(one.item),
                        "kind": one.rule.kind,
                        "tier": one.tier,
                        "score": one.result.score,
                        "title": message.title,
                        "body": message.body,
                        "since": str(Date(one.result.since)),
                        "offer": one.rule.offer,
                    }
                    for one, message in found.items
                ]
            )
            return
        out = console()
        out.print(f"[bold]{escape(found.customer)}[/] on {found.as_of}", highlight=False)
        if not found.items:
            out.print("Nothing to show today.")
        for (_, rule, result, *_), message in found.items:
            offer = rule.offer
            score = "–" if result.score is None else f"{result.score:.0f}"
            out.print(Text.assemble((f"\n{score:>3}  ", "cyan"), (message.title, "bold")))
            out.print(Padding(Text(message.body), (0, 0, 0, 5)))
            if offer is not None:
                out.print(Padding(Text(f"{offer.partner}: {offer.terms}", "dim"), (0, 0, 0, 5)))
            out.print(Padding(Text(result.rule_id, "dim"), (0, 0, 0, 5)))
