"""The command `tuppence streams`."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from tuppence.cli.feed import Customer
from tuppence.cli.output import Format, Store, console, date_option, print_json, table, today
from tuppence.facts.context import customer_context
from tuppence.feel import feel_text
from tuppence.wiring import open_facts

COLUMNS = ("kind", "payee", "cadence", "times", "amount", "previous amount", "next date", "state")
NUMBERS = ("times", "amount", "previous amount")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence streams C0000007 --store demo --as-of 2026-06-30`")
    def streams(
        customer: Customer,
        store: Store,
        as_of: Annotated[
            str, typer.Option(help="Nothing after it is known; the system's date if left out.")
        ] = "",
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    ) -> None:
        """Show a customer's bills, subscriptions and income, as found in the transactions.

        Each with its cadence, its last amount and the one before, when it is due next, and how
        sure that is. A stream that is late by more than half its cadence has stopped.
        """
        facts = open_facts(store).find(customer)
        day = date_option(as_of or today().isoformat(), "--as-of")
        context = customer_context(facts, 0, day, streams=True)
        found = [row for name in ("bills", "subscriptions", "incomes") for row in context[name]]
        rows = [{name: _shown(value) for name, value in row.items()} for row in found]
        if format_ is Format.JSON:
            print_json(rows)
            return
        rows.sort(key=lambda row: (row["state"] == "stopped", row["next date"]))
        console().print(f"[bold]{escape(customer)}[/] on {day}", highlight=False)
        console().print(table(COLUMNS, [[row[name] for name in COLUMNS] for row in rows], NUMBERS))


def _shown(value: Any) -> Any:
    """A FEEL value for JSON and tables."""
    return value if value is None or isinstance(value, str) else feel_text(value)
