"""Says what an import has found, and reads the options that all imports have."""

import datetime
from typing import Annotated

import typer

from tuppence.cli.output import date_option, echo, today
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.usecases.import_bank_data import ImportDependencies
from tuppence.usecases.keep_import import Known

Today = Annotated[
    str | None,
    typer.Option("--today", help="No row may be dated later; the system's date if omitted."),
]


def print_known(known: Known, deps: ImportDependencies) -> None:
    """Print the shares of transactions with a known merchant and a known category."""
    if known.transactions:
        merchants, categories = (n / known.transactions for n in known[1:])
        echo(
            f"known: the merchant of {merchants:.0%} and the category of {categories:.0%} "
            f"of {known.transactions:,} transactions (lists {deps.enricher.version})"
        )


def print_replaced(count: int, what: str) -> None:
    """Print how many transactions only an earlier import of the same bytes gave."""
    if count:
        echo(f"removed: {count:,} transactions that only an earlier import of {what} had")


def print_forgotten(count: int) -> None:
    """Print how many imports can no longer be taken back."""
    if count:
        echo(
            f"history: it was full and begins again with this import; the {count:,} earlier ones "
            "can no longer be taken back"
        )


def latest(text: str | None) -> datetime.date:
    """Return the latest day on which a transaction can be booked."""
    day = date_option(text, "--today") if text else None
    return datetime.date.fromisoformat(str(day)) if day else today()


def check_currency(code: str) -> None:
    """Check the code of a currency, which may be empty.

    Raises:
        UserError: There is no such currency.
    """
    if code and minor_digits(code) is None:
        message = f"--currency: there is no currency {code!r}"
        raise UserError("import.currency", message, "write a code of ISO 4217, such as GBP")
