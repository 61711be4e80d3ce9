"""The command `tuppence consent`."""

import re
from typing import Annotated, Any

import msgspec
import typer

from tuppence.bootstrap.local import (
    consents_of,
    name_in,
    open_facts,
    tokens_of,
)
from tuppence.cards import masked
from tuppence.cli.changing import hold
from tuppence.cli.output import (
    Customer,
    Format,
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
from tuppence.facts.consent import PURPOSE, SCOPE, Consent
from tuppence.feel.values import Date

COLUMNS = ("id", "purpose", "scope", "in", "granted", "confirmed", "expires", "withdrawn")
On = Annotated[str, typer.Option("--on", help="The day; the system's date if left out.")]
Id = Annotated[
    str,
    typer.Option(
        "--id", help="Which of the customer's consents.", callback=only_identifiers("consent")
    ),
]

_JURISDICTION = re.compile("[A-Z]{2}")


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="consent", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Keep what customers of a store agreed to.

        A customer is evaluated if a consent for the purpose gives transactions, and is alive both
        today and on the as-of date; otherwise their feed stays as it was. A customer of whom no
        consent was ever recorded is the store's owner and is evaluated.
        """

    @app.command("list", epilog="Example: `tuppence consent list C0000007 --store demo`")
    def list_(
        customer: Customer,
        store: Store,
        format_: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    ) -> None:
        """List the consents of a customer."""
        open_facts(store)
        rows = [_row(consent) for consent in consents_of(store).of(name_in(store, customer))]
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
        until: Annotated[str, typer.Option(help="First day without it; no end if left out.")] = "",
        scope: Annotated[
            list[str] | None,
            typer.Option(
                help="What may be read: transactions, balances, transactions:ACCOUNT, or a bank's "
                "own words; give it as often as needed. All of it if left out."
            ),
        ] = None,
        purpose: Annotated[str, typer.Option(help="What for.")] = PURPOSE,
        jurisdiction: Annotated[
            str, typer.Option(help="Whose law: ISO 3166 alpha-2, or EU.")
        ] = "GB",
        on: On = "",
        id_: Id = "1",
    ) -> None:
        """Record that a customer agreed, or agreed again."""
        if not _JURISDICTION.fullmatch(jurisdiction):
            message = f"--jurisdiction: {jurisdiction[:40]!r} is not a code of two letters"
            raise UserError("consent.jurisdiction", message, "write it as GB")
        hold(ctx, store)
        customer = name_in(store, customer)
        if customer not in open_facts(store).customers()["id"]:
            message = f"{store}: there is no customer {customer}"
            raise UserError("facts.unknown-customer", message, "import their data first")
        granted = _day(on)
        expires = date_option(until, "--until").day if until else None
        if expires is not None and expires <= granted:
            raise UserError("consent.dates", "a consent ends after the day it is granted on")
        tokens = tokens_of(store)
        scopes = tuple(map(tokens.of_scope, scope or SCOPE))
        id_, purpose = tokens.of(id_), masked(purpose)
        given = Consent(customer, id_, purpose, scopes, jurisdiction, granted, expires=expires)
        consents_of(store).record([given])
        echo(f"recorded: consent {id_} of {customer} from {Date(granted)}")

    @app.command(
        epilog="Example: `tuppence consent confirm C0000007 --until 2027-04-01 --store demo`"
    )
    def confirm(
        ctx: typer.Context,
        customer: Customer,
        store: Store,
        until: Annotated[str, typer.Option(help="A new first day without it.")] = "",
        on: On = "",
        id_: Id = "1",
    ) -> None:
        """Record that a customer confirmed a consent again."""
        hold(ctx, store)
        customer = name_in(store, customer)
        day = _day(on)
        changes: dict[str, Any] = {"confirmed": day}
        if until:
            changes["expires"] = date_option(until, "--until").day
        _change(store, customer, id_, **changes)
        echo(f"recorded: consent {id_} of {customer} confirmed on {Date(day)}")

    @app.command(epilog="Example: `tuppence consent withdraw C0000007 --store demo`")
    def withdraw(
        ctx: typer.Context, customer: Customer, store: Store, on: On = "", id_: Id = "1"
    ) -> None:
        """Record that a customer withdrew a consent: they are evaluated no more."""
        hold(ctx, store)
        customer = name_in(store, customer)
        day = _day(on)
        _change(store, customer, id_, withdrawn=day)
        echo(f"recorded: consent {id_} of {customer} withdrawn on {Date(day)}")

    program.add_typer(app)


def _change(store: Store, customer: str, id_: str, **changes: int) -> None:
    open_facts(store)
    name = tokens_of(store).of(id_)
    found = [one for one in consents_of(store).of(customer) if one.id == name]
    if not found:
        message = f"there is no consent {id_} of customer {customer}"
        raise UserError("consent.unknown", message, "tuppence consent list shows those there are")
    consents_of(store).record([msgspec.structs.replace(found[0], **changes)])


def _day(text: str) -> int:
    return date_option(text or today().isoformat(), "--on").day


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
