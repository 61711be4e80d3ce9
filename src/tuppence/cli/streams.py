"""The command `tuppence streams`."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from tuppence.bankdata.recurring import find_streams
from tuppence.cli.feed import Customer
from tuppence.cli.output import Format, Store, console, date_option, print_json, table, today
from tuppence.facts.currency import minor_digits
from tuppence.feel.values import Date
from tuppence.wiring import open_facts

MONEY = ("amount", "previous", "typical")
DAYS = ("first", "last", "next")


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
        tables = open_facts(store).rows_of(customer).tables()
        day = date_option(as_of or today().isoformat(), "--as-of")
        digits = minor_digits(tables["customers"]["currency"][0]) or 0
        found = find_streams(tables["transactions"], day)
        rows = [_shown(row, digits) for row in found.iter_rows(named=True)]
        if format_ is Format.JSON:
            print_json(rows)
            return
        columns = ("kind", "payee", "cadence", "payments", "amount", "previous", "next", "state")
        order = sorted(rows, key=lambda row: (row["state"] == "stopped", row["kind"], row["next"]))
        lines = [
            [row[name] if row[name] is not None else "" for name in columns]
            + [f"{row['confidence']:.0%}"]
            for row in order
        ]
        numbers = ("payments", "amount", "previous", "sure")
        console().print(table((*columns, "sure"), lines, numbers))


def _shown(row: dict[str, Any], digits: int) -> dict[str, Any]:
    """Amounts in the main unit, days as dates."""
    money = {
        name: None if row[name] is None else str(Decimal(row[name]).scaleb(-digits))
        for name in MONEY
    }
    return row | money | {name: str(Date(row[name])) for name in DAYS}
