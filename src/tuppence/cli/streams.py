"""The commands `tuppence streams` and `tuppence forecast`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from tuppence.bootstrap.store import open_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    Format,
    FormatOption,
    Purposes,
    Store,
    console,
    date_option,
    echo,
    print_json,
    table,
    today,
    use_of,
)
from tuppence.feel import feel_text
from tuppence.usecases.look_ahead import look_ahead

COLUMNS = ("kind", "payee", "cadence", "times", "amount", "previous amount", "next date", "state")
NUMBERS = ("times", "amount", "previous amount")
AHEAD = ("type", "balance", "pay day", "forecast", "forecast low", "forecast high")
AsOf = Annotated[
    str, typer.Option(help="Facts after this date are ignored; the system's date if omitted.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog="Example: `tuppence streams C0000007 --store demo --as-of 2026-06-30`")
    def streams(
        customer: Customer,
        store: Store,
        as_of: AsOf = "",
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show a customer's bills, subscriptions and income, as found in the transactions.

        Each is listed with its cadence, last and previous amount, next due date and confidence. A
        stream that is late by more than half its cadence has stopped.
        """
        day = date_option(as_of or today().isoformat(), "--as-of")
        found = look_ahead(open_store(store), customer, use_of(day, purposes))
        rows = [{name: _shown(value) for name, value in row.items()} for row in found.streams]
        if format_ is Format.JSON:
            print_json(rows)
            return
        rows.sort(key=lambda row: (row["state"] == "stopped", row["next date"]))
        console().print(f"[bold]{escape(found.customer)}[/] on {day}", highlight=False)
        cells = [[_told(row[name], "") for name in COLUMNS] for row in rows]
        console().print(table(COLUMNS, cells, NUMBERS))

    @app.command(epilog="Example: `tuppence forecast C0000007 --store demo --as-of 2026-06-15`")
    def forecast(
        customer: Customer,
        store: Store,
        as_of: AsOf = "",
        format_: FormatOption = Format.TABLE,
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Show what a customer's accounts will hold the day before the next pay.

        The forecast is the balance, less the payments of streams until then, less the usual
        spending at this time of the month. Four times out of five, the balance will be within the
        band. An account has no forecast if its balance, the pay day or two earlier months are not
        known.
        """
        day = date_option(as_of or today().isoformat(), "--as-of")
        found = look_ahead(open_store(store), customer, use_of(day, purposes))
        rows = [{n: _shown(account[n]) for n in ("id", *AHEAD)} for account in found.accounts]
        if format_ is Format.JSON:
            print_json(rows)
            return
        shown = [
            (
                *(_told(row[name]) for name in ("id", *AHEAD[:4])),
                _told(row["forecast"] and f"{row['forecast low']} to {row['forecast high']}"),
            )
            for row in rows
        ]
        columns = ("account", *AHEAD[:4], "band")
        console().print(f"[bold]{escape(found.customer)}[/] on {day}", highlight=False)
        console().print(table(columns, shown, ("balance", "forecast", "band")))
        for row in rows:
            if row["forecast"] is None:
                echo(f"no forecast of {row['id']}: {_why_not(row)}")


def _why_not(row: Mapping[str, Any]) -> str:
    """Return why an account has no forecast."""
    if row["balance"] is None:
        return "its balance is not known; give it with tuppence import csv --opening-balance"
    if row["pay day"] is None:
        return "no regular pay was found"
    return "its transactions do not reach back over two earlier periods of the same length"


def _told(value: Any, unknown: str = "not known") -> Any:
    """Return a value for a table; the text given if there is none."""
    return unknown if value is None else value


def _shown(value: Any) -> Any:
    """Return a FEEL value for JSON and tables."""
    return value if value is None or isinstance(value, str) else feel_text(value)
