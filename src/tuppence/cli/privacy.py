"""The commands `tuppence export` and `tuppence forget`, for people's rights to their data."""

import functools
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tuppence.bootstrap.address import erasable_address, is_address, personal_address
from tuppence.bootstrap.database import fact_database
from tuppence.bootstrap.learning import learning_of_services, renew_models_of
from tuppence.bootstrap.personal import personal_folder
from tuppence.bootstrap.service_stores import (
    feeds_of_services,
    results_of_services,
    ruleset_store,
    tokens_of_services,
)
from tuppence.bootstrap.store import open_store
from tuppence.cli.changing import hold
from tuppence.cli.output import echo, print_json
from tuppence.errors import UserError
from tuppence.facts.identifiers import check_identifier
from tuppence.plain_text import printable
from tuppence.usecases.erase_customer import erase_from_services, erase_from_store
from tuppence.usecases.export_personal_data import export_from_services, export_from_store


def _as_text(customer: str) -> str:
    """Return an argument unchanged.

    Raises:
        UserError: It is not UTF-8 text, so that no version can have taken it for an identifier.
    """
    try:
        customer.encode()
    except UnicodeEncodeError:
        check_identifier(customer, "customer")
    return customer


Customer = Annotated[
    str,
    # any text, so that what an older version took in can be read and erased
    typer.Argument(help="Identifier of the customer.", show_default=False, callback=_as_text),
]
Store = Annotated[
    str | None,
    typer.Option(
        help="The folder of the store, or its address, such as s3://bucket/store.",
        show_default=False,
    ),
]
Database = Annotated[
    str, typer.Option(help="In place of a store: the database of the services.", show_default=False)
]
Results = Annotated[
    str,
    typer.Option(
        help="With a database: a file, dynamodb://table, or postgresql://….", show_default=False
    ),
]
Rulesets = Annotated[
    str, typer.Option(help="With a database: a folder, or s3://bucket/prefix/.", show_default=False)
]
Feeds = Annotated[
    str,
    typer.Option(
        help="With a database: what is kept of feeds, if it is in dynamodb://table.",
        show_default=False,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="With a database: the file identifiers.key of the store that was loaded into it, to "
        "find a customer by an identifier that holds a card number.",
        show_default=False,
    ),
]


class Services(NamedTuple):
    """Addresses of the data of the services, and the file of the secret for identifiers."""

    database: str
    results: str
    rulesets: str
    key: Path | None
    feeds: str


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(epilog="Example: `tuppence export C0000007 --store demo > C0000007.json`")
    def export(
        customer: Customer,
        store: Store = None,
        database: Database = "",
        results: Results = "",
        rulesets: Rulesets = "",
        key: Key = None,
        feeds: Feeds = "",
    ) -> None:
        """Export all data about a customer as JSON, with an explanation of every result.

        The data are the customer's facts and consents, their rows that imports set aside, each
        result with the clauses, values and transactions that it came from, and what they were shown
        in feeds and did there.
        """
        where = _where(store, database, results, rulesets, key, feeds)
        if isinstance(where, Services):
            known = ruleset_store(where.rulesets)
            found = results_of_services(where.results, known)
            with fact_database(where.database) as facts:
                tokens = tokens_of_services(where.key, customer)
                kept = feeds_of_services(where.feeds)
                print_json(export_from_services(facts, found, known, tokens, customer, kept))
        else:
            held = (
                personal_address(where, customer)
                if is_address(where)
                else personal_folder(open_store(Path(where)))
            )
            print_json(export_from_store(held, customer))

    @app.command(epilog="Example: `tuppence forget C0000007 --store demo --yes`")
    def forget(
        ctx: typer.Context,
        customer: Customer,
        store: Store = None,
        database: Database = "",
        results: Results = "",
        rulesets: Rulesets = "",
        key: Key = None,
        feeds: Feeds = "",
        models: Annotated[
            str,
            typer.Option(
                help="With a database: models of the order of feeds, a folder or "
                "s3://bucket/prefix/; all are destroyed, and the published one is fitted again "
                "without the customer."
            ),
        ] = "",
        settle: Annotated[
            float,
            typer.Option(
                min=0,
                max=3600,
                help="With a database: seconds until results are looked for again; longer than "
                "its replicas lag behind.",
            ),
        ] = 5.0,
        abandon_run: Annotated[
            bool,
            typer.Option(
                "--abandon-run",
                help="With an address: give up a run that is not finished; the next one begins "
                "anew.",
            ),
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    ) -> None:
        """Erase a customer permanently, then search for anything that still names them.

        Facts, consents, results and rows that imports set aside are erased, but not copies, nor
        backups of a database. This cannot be undone.
        """
        where = _where(store, database, results, rulesets, key, feeds)
        if not yes:
            named = "the database and the results" if isinstance(where, Services) else where
            typer.confirm(printable(f"erase all of {customer} from {named}, for good"), abort=True)
        if isinstance(where, Services):
            kept = results_of_services(where.results, ruleset_store(where.rulesets))
            learning = learning_of_services(where.database, models, where.feeds) if models else None
            with fact_database(where.database) as facts:
                rows, had_results, destroyed = erase_from_services(
                    facts,
                    kept,
                    tokens_of_services(where.key, customer),
                    customer,
                    functools.partial(time.sleep, settle),
                    feeds_of_services(where.feeds),
                    None if learning is None else functools.partial(renew_models_of, learning),
                )
            told = ", ".join(f"{count:,} {table}" for table, count in rows.items())
            echo(f"erased: {told}, {'the' if had_results else 'no'} results")
            echo("looked through the tables: none names the customer")
            _tell_models(destroyed)
            return
        found = erase_from_store(
            erasable_address(where, customer, abandon=abandon_run)
            if is_address(where)
            else personal_folder(hold(ctx, Path(where))),
            customer,
        )
        results_found = "the results" if found.results else "no results"
        echo(
            f"erased: {found.accounts:,} accounts, {found.transactions:,} transactions, "
            f"{results_found}, {found.consents:,} consents, "
            f"{found.rejects:,} rows that were set aside, {found.feed:,} rows of feeds"
        )
        echo(f"looked through {found.files:,} files: none names the customer or an account")
        _tell_models(found.models)
        if found.mentions:
            echo(
                f"the same words stand in {found.mentions:,} rows of other people or files about "
                "nobody, such as rules: these stay"
            )


def _tell_models(destroyed: int) -> None:
    if destroyed:
        echo(f"destroyed: {destroyed:,} models of the order of feeds; a published one is new")


def _where(
    store: str | None,
    database: str,
    results: str,
    rulesets: str,
    key: Path | None,
    feeds: str,
) -> str | Services:
    """Return the location of the data: a store, or the services.

    Raises:
        UserError: None, both, or only some of the options are given.
    """
    places = (database, results, rulesets)
    if store is not None and not any((*places, key, feeds)):
        return store
    if store is None and all(places):
        return Services(*places, key, feeds)
    message = "say where the data are: --store, or --database, --results and --rulesets"
    raise UserError("cli.where", message, "tuppence export --help")
