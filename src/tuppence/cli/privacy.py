"""The commands `tuppence export` and `tuppence forget`: what people may ask for."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tuppence.cli.feed import Customer
from tuppence.cli.output import print_json
from tuppence.errors import UserError
from tuppence.wiring import erase_customer, erase_in_database, held_in_database, held_of

Store = Annotated[Path | None, typer.Option(help="The folder of the store.", show_default=False)]
Database = Annotated[
    str, typer.Option(help="In place of a store: the database of the services.", show_default=False)
]
Results = Annotated[
    str, typer.Option(help="With a database: a file, or dynamodb://table.", show_default=False)
]
Rulesets = Annotated[
    str, typer.Option(help="With a database: a folder, or s3://bucket/prefix/.", show_default=False)
]


class Services(NamedTuple):
    """Where the services hold data."""

    database: str
    results: str
    rulesets: str


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog="Example: `tuppence export C0000007 --store demo > C0000007.json`")
    def export(
        customer: Customer,
        store: Store = None,
        database: Database = "",
        results: Results = "",
        rulesets: Rulesets = "",
    ) -> None:
        """Write all that is held of a customer, as JSON, with the reason of every result.

        The customer's facts and consents, what an import set aside of them, and each result with
        the clauses, values and transactions that it came from.
        """
        services = _services(store, database, results, rulesets)
        if services is None:
            print_json(held_of(_folder(store), customer))
        else:
            print_json(held_in_database(*services, customer))

    @app.command(epilog="Example: `tuppence forget C0000007 --store demo --yes`")
    def forget(
        customer: Customer,
        store: Store = None,
        database: Database = "",
        results: Results = "",
        rulesets: Rulesets = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Erase a customer for good, then look whether anything still names them.

        Facts, consents, results and what an import set aside are erased; copies are not, nor are
        backups of a database. It cannot be undone.
        """
        services = _services(store, database, results, rulesets)
        if not yes:
            where = store if services is None else "the database and the results"
            typer.confirm(f"erase all of {customer} from {where}, for good", abort=True)
        if services is not None:
            rows, had_results = erase_in_database(*services, customer)
            told = ", ".join(f"{count:,} {table}" for table, count in rows.items())
            typer.echo(f"erased: {told}, {'the' if had_results else 'no'} results")
            typer.echo("looked through the tables: none names the customer")
            return
        found = erase_customer(_folder(store), customer)
        kept = "the results" if found.results else "no results"
        typer.echo(
            f"erased: {found.accounts:,} accounts, {found.transactions:,} transactions, {kept}, "
            f"{found.consents:,} consents, {found.rejects:,} rows that were set aside"
        )
        typer.echo(f"looked through {found.files:,} files: none names the customer or an account")


def _services(store: Path | None, *places: str) -> Services | None:
    """Where the services hold data; None where it is a store that is asked.

    Raises:
        UserError: It is neither, or both, or only a part of it is told.
    """
    if (store is None) == (not any(places)) or (store is None and not all(places)):
        message = "say where the data are: --store, or --database, --results and --rulesets"
        raise UserError("cli.where", message, "tuppence export --help")
    return None if store else Services(*places)


def _folder(store: Path | None) -> Path:
    assert store is not None  # noqa: S101 - see _services
    return store
