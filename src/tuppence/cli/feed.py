"""The command `tuppence feed`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from tuppence.bootstrap.local import open_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    Format,
    Purposes,
    Store,
    console,
    current_date,
    error_console,
    print_json,
)
from tuppence.feel.values import Date
from tuppence.usecases.build_feed import build_feed


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence feed C0000007 --store demo`")
    def feed(
        customer: Customer,
        store: Store,
        limit: Annotated[int, typer.Option(min=1, max=100)] = 5,
        locale: Annotated[str, typer.Option(help="Format of money and dates.")] = "en_GB",
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show a customer's insights as the customer sees them, most relevant first."""
        found = build_feed(
            open_store(store), customer, frozenset(purposes), current_date(), limit, locale
        )
        reasons = [found.frozen] if found.frozen else []
        reasons += [f"left out: {reason}" for reason in found.left_out]
        for line in reasons:
            error_console().print(line, markup=False, soft_wrap=True)
        if format_ is Format.JSON:
            print_json(
                [
                    {
                        "rule_id": result.rule_id,
                        "kind": kind,
                        "score": result.score,
                        "title": message.title,
                        "body": message.body,
                        "since": str(Date(result.since)),
                        "offer": offer,
                    }
                    for kind, result, message, offer in found.entries
                ]
            )
            return
        out = console()
        out.print(f"[bold]{escape(found.customer)}[/] on {found.as_of}", highlight=False)
        if not found.entries:
            out.print("Nothing to show today.")
        for _, result, message, offer in found.entries:
            score = "–" if result.score is None else f"{result.score:.0f}"
            out.print(Text.assemble((f"\n{score:>3}  ", "cyan"), (message.title, "bold")))
            out.print(Padding(Text(message.body), (0, 0, 0, 5)))
            if offer is not None:
                out.print(Padding(Text(f"{offer.partner}: {offer.terms}", "dim"), (0, 0, 0, 5)))
            out.print(Padding(Text(result.rule_id, "dim"), (0, 0, 0, 5)))
