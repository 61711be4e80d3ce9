"""The commands `tuppence consent …`."""

import re
from typing import Annotated, Any

import typer

from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import hold
from tuppence.cli.output import (
    Customer,
    Format,
    FormatOption,
    Store,
    console,
    date_option,
    echo,
    only_identifiers,
    print_json,
    table,
    today,
)
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSE, Consent
from tuppence.feel.values import Date
from tuppence.usecases.record_consents import (
    confirm_consent,
    grant_consent,
    list_consents,
    withdraw_consent,
)

COLUMNS = ("id", "purpose", "scope", "in", "granted", "confirmed", "expires", "withdrawn")
On = Annotated[str, typer.Option("--on", help="The day; the system's date if omitted.")]
Id = Annotated[
    str,
    typer.Option("--id", help="Identifier of the consent.", callback=only_identifiers("consent")),
]


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="consent", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Manage the consents of a store's customers.

        A customer is evaluated if a consent for the purpose allows transactions, and is in force
        both today and on the as-of date; otherwise their feed stays as it was. A customer without
        any recorded consent is the store's owner and is evaluated.
        """

    @app.command("list", epilog="Example: `tuppence consent list C0000007 --store demo`")
    def list_(
        customer: Customer,
        store: Store,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """List the consents of a customer."""
        keeper = open_store(store)
        keeper.facts()  # a folder that is no store is an error, and not a store without consents
        rows = [_row(consent) for consent in list_consents(keeper, customer)]
        if format_ is Format.JSON:
            print_json(rows)
            return
        shown = [[_text(row[name]) for name in COLUMNS] for row in rows]
        console().print(table(COLUMNS, shown, ()))

    @app.command(
        epilog="Example: `tuppence consent grant C0000007 --until 2027-01-01 --store demo`"
    )
    def grant(
        ctx: typer.Context,
        customer: Customer,
        store: Store,
        until: Annotated[
            str, typer.Option(help="First day after the consent; no end if omitted.")
        ] = "",
        scope: Annotated[
            list[str] | None,
            typer.Option(
                help="Data that may be read: transactions, balances, transactions:ACCOUNT, or a "
                "term of the bank; may be repeated. All data if omitted."
            ),
        ] = None,
        purpose: Annotated[str, typer.Option(help="Purpose of the consent.")] = PURPOSE,
        jurisdiction: Annotated[
            str, typer.Option(help="Jurisdiction: ISO 3166 alpha-2, or EU.")
        ] = "GB",
        on: On = "",
        id_: Id = "1",
    ) -> None:
        """Record a consent of a customer, or replace the one of the same identifier."""
        if not re.fullmatch("[A-Z]{2}", jurisdiction):
            message = f"--jurisdiction: {jurisdiction[:40]!r} is not a code of two letters"
            raise UserError("consent.jurisdiction", message, "write it as GB")
        keeper = hold(ctx, store)
        granted = _day(on)
        expires = date_option(until, "--until") if until else None
        given = grant_consent(
            keeper, customer, id_, purpose, scope or (), jurisdiction, granted, expires
        )
        echo(f"recorded: consent {given.id} of {given.customer} from {granted}")

    @app.command(
        epilog="Example: `tuppence consent confirm C0000007 --until 2027-04-01 --store demo`"
    )
    def confirm(
        ctx: typer.Context,
        customer: Customer,
        store: Store,
        until: Annotated[str, typer.Option(help="A new first day after the consent.")] = "",
        on: On = "",
        id_: Id = "1",
    ) -> None:
        """Record that a customer has confirmed a consent again."""
        keeper = hold(ctx, store)
        day = _day(on)
        expires = date_option(until, "--until") if until else None
        given = confirm_consent(keeper, customer, id_, day, expires)
        echo(f"recorded: consent {id_} of {given.customer} confirmed on {day}")

    @app.command(epilog="Example: `tuppence consent withdraw C0000007 --store demo`")
    def withdraw(
        ctx: typer.Context, customer: Customer, store: Store, on: On = "", id_: Id = "1"
    ) -> None:
        """Record that a customer has withdrawn a consent, and is no longer evaluated."""
        keeper = hold(ctx, store)
        day = _day(on)
        given = withdraw_consent(keeper, customer, id_, day)
        echo(f"recorded: consent {id_} of {given.customer} withdrawn on {day}")

    program.add_typer(app)


def _day(text: str) -> Date:
    return date_option(text or today().isoformat(), "--on")


def _row(consent: Consent) -> dict[str, Any]:
    days = ("granted", "confirmed", "expires", "withdrawn")
    dates = {n: None if (day := getattr(consent, n)) is None else str(Date(day)) for n in days}
    return {
        "id": consent.id,
        "purpose": consent.purpose,
        "scope": list(consent.scope),
        "in": consent.jurisdiction,
        **dates,
    }


def _text(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value or ""
