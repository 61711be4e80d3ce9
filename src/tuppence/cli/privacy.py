"""The commands `tuppence export` and `tuppence forget`: what people may ask for."""

from typing import Annotated

import typer

from tuppence.cli.feed import Customer
from tuppence.cli.output import Store, print_json
from tuppence.wiring import erase_customer, held_of


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog="Example: `tuppence export C0000007 --store demo > C0000007.json`")
    def export(customer: Customer, store: Store) -> None:
        """Write all that a store holds of a customer, as JSON, with the reason of every result.

        The customer's facts, what an import set aside of them, and each result with the clauses,
        values and transactions that it came from.
        """
        print_json(held_of(store, customer))

    @app.command(epilog="Example: `tuppence forget C0000007 --store demo --yes`")
    def forget(
        customer: Customer,
        store: Store,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Erase a customer from a store for good, then look through every file of it.

        Facts, results and what an import set aside are erased; copies of the store are not. It
        cannot be undone.
        """
        if not yes:
            typer.confirm(f"erase all of {customer} from {store}, for good", abort=True)
        found = erase_customer(store, customer)
        results = "the results" if found.results else "no results"
        typer.echo(
            f"erased: {found.accounts:,} accounts, {found.transactions:,} transactions, {results}, "
            f"{found.rejects:,} rows that were set aside"
        )
        typer.echo(f"looked through {found.files:,} files: none names the customer or an account")
